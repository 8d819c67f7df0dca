/* The chat's form: Enter sends, a sent line clears the box and gets a new request id, a refusal is said in words.
   Works on any page with #chat, #composer and #chat-error; without it the form posts like any other. */
(() => {
  "use strict";
  const composer = () => document.getElementById("composer");
  const box = () => composer()?.querySelector("textarea");

  const newId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

  const say = (sentence) => {
    const place = document.getElementById("chat-error");
    if (place) place.textContent = sentence;
    box()?.setAttribute("aria-invalid", sentence ? "true" : "false");
  };

  const toTheEnd = () => {
    const lines = document.querySelector("#chat .chat__log");
    if (lines) lines.scrollTop = lines.scrollHeight;
  };

  document.addEventListener("keydown", (event) => {
    const isOurs = event.target.closest?.("#composer") && event.target.matches("textarea");
    if (!isOurs || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    if (!matchMedia("(pointer: fine)").matches) return;
    event.preventDefault();
    composer().requestSubmit(composer().querySelector(".composer__send"));
  });

  document.addEventListener("htmx:after:request", (event) => {
    const context = event.detail.ctx;
    if (context.sourceElement?.id !== "composer") return;
    const status = context.response?.status ?? 0;
    if (status === 200) {
      say("");
      box().value = "";
      composer().elements.request_id.value = newId();
    } else if (status === 422) say(context.text);
    else say(composer().dataset[status === 429 ? "tooFast" : "notSent"]);
  });

  document.addEventListener("htmx:error", (event) => {
    if (event.detail.ctx?.sourceElement?.id === "composer") say(composer().dataset.notSent);
  });

  new MutationObserver((changes) => {
    if (changes.some((change) => [...change.addedNodes].some((node) => node.matches?.(".chat__line, .chat__log, #chat"))))
      toTheEnd();
  }).observe(document.body, { childList: true, subtree: true });
  toTheEnd();
})();
