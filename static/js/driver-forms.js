// A tap counts once: the button that was pressed is put out until the page has moved on. Works on forms that are added
// later, too. Without this script the server counts a repeated request once by its id.
(() => {
  "use strict";
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || !form.matches("form[data-form]")) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    const buttons = document.querySelectorAll(`[form="${form.id || "-"}"], button`);
    for (const button of buttons) {
      if (button.form === form) button.setAttribute("aria-disabled", "true");
    }
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) {
      delete form.dataset.sent;
      for (const button of form.elements) button.removeAttribute?.("aria-disabled");
    }
  });
})();
