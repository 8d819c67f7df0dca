// A tap counts once, and is not lost without signal. Ticks while loading are sent without leaving the page, so the list
// stays where the thumb is. The steps of a day, with photos and words, and everything tapped offline, go through the
// phone's outbox until they arrive: the server counts a repeated request once by its id. Without this script every form
// is a plain one.
(() => {
  "use strict";
  const RETRY_MS = 4000;
  const WHILE_LOADING = "[data-form=loaded], [data-form=undo], [data-form=not-loaded], [data-form=scan]";
  const HOLDS_WORK = "[data-form=arrived], [data-form=delivered], [data-form=failed], [data-form=start], [data-form=finish]";
  let waiting = 0;

  const release = (form) => {
    delete form.dataset.sent;
    for (const button of form.elements) button.removeAttribute?.("aria-disabled");
  };

  const hold = (form) => {
    form.dataset.sent = "1";
    for (const button of form.elements) {
      if (button.matches("button")) button.setAttribute("aria-disabled", "true");
    }
  };

  const say = (words, kind) => {
    const note = document.querySelector("[data-sending]");
    note.textContent = words;
    note.className = `notice notice--${kind} sending`;
    note.hidden = !words;
  };

  const pause = () => new Promise((done) => {
    setTimeout(done, RETRY_MS);
    addEventListener("online", done, { once: true });
  });

  // Returns the server's answer; there is no other way out of a dead spot than waiting. What holds work is on the phone
  // before it is sent (driver-outbox.js), so closing the page loses nothing.
  const sendUntilTaken = async (form, body) => {
    const outbox = window.driverOutbox;
    if (outbox?.isUsable) {
      try {
        const label = form.querySelector("button:not([type=button])")?.textContent.trim() ?? "";
        const id = await outbox.keep(form, body, label);
        return await new Promise((done) => {
          document.addEventListener("driver:sent", function sent(event) {
            if (event.detail.id !== id) return;
            document.removeEventListener("driver:sent", sent);
            done(event.detail.answer);
          });
          outbox.flush();
        });
      } catch {
        // The phone keeps nothing (a private window): the page itself must stay open.
      }
    }
    waiting += 1;
    for (;;) {
      try {
        const answer = await fetch(form.action, { method: "POST", body });
        if (answer.status < 500) {
          waiting -= 1;
          say("", "warn");
          return answer;
        }
      } catch {
        // No signal.
      }
      say(document.querySelector("[data-sending]").dataset.keepOpen, "warn");
      await pause();
    }
  };

  const send = async (form, submitter) => {
    const answer = await sendUntilTaken(form, new FormData(form, submitter));
    const page = new DOMParser().parseFromString(await answer.clone().text(), "text/html");
    const fresh = page.getElementById("day-content");
    if (answer.ok && fresh && form.matches(WHILE_LOADING) && isPlanned()) {
      window.driverFocus.replace(document.getElementById("day-content"), document.importNode(fresh, true));
      document.dispatchEvent(new CustomEvent("driver:fresh"));
      document.dispatchEvent(new CustomEvent("driver:done"));
    } else if (answer.ok) {
      location.assign(answer.url);
    } else if ([401, 403, 410].includes(answer.status)) {
      location.reload();
    } else {
      release(form);
      say(page.querySelector("main .lead, main p")?.textContent ?? String(answer.status), "bad");
      document.querySelector("[data-sending]").scrollIntoView({ block: "center" });
    }
  };

  const isPlanned = () => document.body.dataset.routeStatus === "planned";

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || !form.matches("form[data-form]")) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    hold(form);
    const mustNotBeLost = form.matches(HOLDS_WORK) || !navigator.onLine;
    if (mustNotBeLost || (isPlanned() && form.matches(WHILE_LOADING))) {
      event.preventDefault();
      send(form, event.submitter);
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
  addEventListener("beforeunload", (event) => {
    if (waiting && !navigator.onLine) event.preventDefault();
  });
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(release));
})();
