// When the page takes over what is new, the focus stays on the same thing: a link by its address, a button by its parcel
// and words. Where that is gone, it goes to the page's content, not to the top of the document.
window.driverFocus = (() => {
  "use strict";
  const CAN_HAVE = "a[href], button, summary, input, textarea, select";

  const nameOf = (element, withWords) =>
    element.id || element.getAttribute("href") || [
      element.closest("[data-delivery]")?.dataset.delivery,
      element.tagName,
      element.className,
      withWords && element.textContent.replace(/\s+/g, " ").trim(),
    ].join(" ");

  const replace = (old, fresh) => {
    const active = old.contains(document.activeElement) ? document.activeElement : null;
    old.replaceWith(fresh);
    if (!active) return;
    const all = [...fresh.querySelectorAll(CAN_HAVE)];
    const same = (withWords) => all.find((one) => nameOf(one, withWords) === nameOf(active, withWords));
    const heir = same(true) ?? same(false) ?? document.getElementById("main");
    heir.focus({ preventScroll: true });
  };

  return { replace };
})();
