// On a phone the menu covers the page: it closes after a page or a model was chosen.
// (No click is told of an option: its list is gone by then.)
if (!window.md4kerasMenu) {
    window.md4kerasMenu = true;
    document.addEventListener("pointerup", (event) => {
        const chosen = event.target.closest('[data-testid="stSidebarNavLink"], [role="option"]');
        if (!chosen || window.innerWidth > 768) return;
        setTimeout(() => {
            document.querySelector('[data-testid="stSidebarCollapseButton"] button')?.click();
        }, 300);
    }, true);
}
