// Puts a word into the text where the caret is. Without this script the words are only listed.
(() => {
  "use strict";
  const fields = ["subject", "body"].map((id) => document.getElementById(id)).filter(Boolean);
  if (!fields.length) return;
  let last = document.getElementById("body");
  for (const field of fields) field.addEventListener("focus", () => { last = field; });
  for (const button of document.querySelectorAll("[data-put]")) {
    button.hidden = false;
    button.parentElement.querySelector("[data-plain]").hidden = true;
    button.addEventListener("click", () => {
      last.focus();
      last.setRangeText(button.dataset.put, last.selectionStart, last.selectionEnd, "end");
      last.dispatchEvent(new Event("input", { bubbles: true }));
    });
  }
})();
