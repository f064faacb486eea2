// On a phone the menu covers the page: it closes after a page or a model was chosen.
if (!window.md4kerasMenu) {
    window.md4kerasMenu = true;
    document.addEventListener("click", (event) => {
        const chosen = event.target.closest('[data-testid="stSidebarNavLink"], [role="option"]');
        if (!chosen || window.innerWidth > 768) return;
        setTimeout(() => {
            document.querySelector('[data-testid="stSidebarCollapseButton"] button')?.click();
        }, 100);
    });
}
