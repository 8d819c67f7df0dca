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

  // A pushed fragment holds no address (one rendering serves all who watch), so pictures get theirs from the page.
  const showPictures = (root) => {
    const base = document.querySelector("[data-pictures]")?.dataset.pictures;
    if (!base) return;
    for (const picture of root.querySelectorAll("img[data-picture]:not([src])"))
      picture.src = base.replace("/picture/-", `/picture/${picture.dataset.picture}`);
  };
  document.addEventListener("portal:fragment", (event) => showPictures(event.detail));

  const LONGEST_SIDE = 1600;
  const shrink = async (file) => {
    const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(picture.width * scale);
    canvas.height = Math.round(picture.height * scale);
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    picture.close();
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.82));
    return blob && blob.size < file.size ? new File([blob], "photo.jpg", { type: "image/jpeg" }) : file;
  };

  const showShot = async (input) => {
    const shot = input.form.querySelector("[data-shot]");
    const preview = shot.querySelector("[data-preview]");
    URL.revokeObjectURL(preview.src);
    shot.hidden = !input.files[0];
    if (!input.files[0]) return;
    try {
      const small = await shrink(input.files[0]);
      const files = new DataTransfer();
      files.items.add(small);
      input.files = files.files;
    } catch {
      // The browser cannot read it; the server says why when it cannot either.
    }
    preview.src = URL.createObjectURL(input.files[0]);
  };

  const dropShot = () => {
    const input = composer()?.elements.photo;
    if (!input) return;
    input.value = "";
    showShot(input);
  };

  document.addEventListener("change", (event) => {
    if (event.target.matches("#composer input[type=file]")) showShot(event.target);
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-shot-away]")) dropShot();
  });

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
      dropShot();
      composer().elements.request_id.value = newId();
    } else if (status === 422) say(context.text);
    else say(composer().dataset[status === 429 ? "tooFast" : "notSent"]);
  });

  document.addEventListener("htmx:error", (event) => {
    if (event.detail.ctx?.sourceElement?.id === "composer") say(composer().dataset.notSent);
  });

  new MutationObserver((changes) => {
    showPictures(document);
    if (changes.some((change) => [...change.addedNodes].some((node) => node.matches?.(".chat__line, .chat__log, #chat"))))
      toTheEnd();
  }).observe(document.body, { childList: true, subtree: true });
  showPictures(document);
  toTheEnd();
})();
