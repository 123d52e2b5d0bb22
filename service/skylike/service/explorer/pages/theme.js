// Light or dark as was chosen last, before anything is drawn.
(() => {
  let chosen = null;
  try {
    chosen = localStorage.getItem("skylike-theme");
  } catch {
    // Storage is closed to us: as the system says.
  }
  if (chosen === "light" || chosen === "dark") {
    document.documentElement.dataset.theme = chosen;
  }
})();
