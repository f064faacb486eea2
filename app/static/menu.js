// On a phone the menu covers the page: it closes after a page or a model was chosen.
// (No click is told of an option: its list is gone by then.)
if (!window.md4kerasMenu) {
    window.md4kerasMenu = true;
    // A page that is just being drawn may miss a press of the button: until it is closed.
    const close = (tries) => setTimeout(() => {
        const menu = document.querySelector('[data-testid="stSidebar"][data-collapsed="false"]');
        if (!menu || tries === 0) return;
        menu.querySelector('[data-testid="stSidebarCollapseButton"] button')?.click();
        close(tries - 1);
    }, 300);
    document.addEventListener("pointerup", (event) => {
        const chosen = event.target.closest('[data-testid="stSidebarNavLink"], [role="option"]');
        if (chosen && window.innerWidth <= 768) close(20);
    }, true);
}
