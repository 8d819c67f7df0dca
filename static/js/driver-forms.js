// A tap counts once: a form that was sent is not sent again until the page has moved on. Ticks while loading are sent
// without leaving the page, so the list stays where the thumb is. Without this script the server counts a repeated
// request once by its id, and every form is a plain one.
(() => {
  "use strict";
  const STAYS = "form[data-form=loaded], form[data-form=undo], form[data-form=not-loaded]";

  const release = (form) => {
    delete form.dataset.sent;
    for (const button of form.elements) button.removeAttribute?.("aria-disabled");
  };

  const sendQuietly = async (form) => {
    try {
      const answer = await fetch(form.action, { method: "POST", body: new FormData(form) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("day-content");
      if (!answer.ok || !fresh) {
        location.assign(answer.url);
        return;
      }
      document.getElementById("day-content").replaceWith(document.importNode(fresh, true));
      document.dispatchEvent(new CustomEvent("driver:fresh"));
      document.dispatchEvent(new CustomEvent("driver:done"));
    } catch {
      release(form);
      form.dataset.plain = "1";
      form.requestSubmit();
    }
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || !form.matches("form[data-form]")) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    for (const button of form.elements) {
      if (button.matches("button")) button.setAttribute("aria-disabled", "true");
    }
    if (document.body.dataset.routeStatus === "planned" && form.matches(STAYS) && !form.dataset.plain) {
      event.preventDefault();
      sendQuietly(form);
    }
  });
  // iPhones do not know geo: addresses; their own map application has another one.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='geo:']");
    if (link && /iPhone|iPad|Macintosh/.test(navigator.userAgent)) {
      event.preventDefault();
      location.assign(`maps://?q=${link.href.slice(4).split("?")[0]}`);
    }
  });
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(release));
})();
