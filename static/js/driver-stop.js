// One stop: the photo is made small before it travels, the signature is drawn, messages are sent without leaving the
// page. Everything here also works as plain forms, but for the drawing.
(() => {
  "use strict";
  const LONGEST_SIDE = 1600;
  const QUALITY = 0.82;
  const MOST_SHOWN = 60; // letters of a line that waits for signal

  const shrink = async (file) => {
    const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(picture.width * scale);
    canvas.height = Math.round(picture.height * scale);
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    picture.close();
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", QUALITY));
    return blob && blob.size < file.size ? new File([blob], "photo.jpg", { type: "image/jpeg" }) : file;
  };

  const onPhoto = async (input) => {
    const preview = input.closest(".shot").querySelector("[data-preview]");
    const file = input.files[0];
    preview.hidden = true;
    if (!file) return;
    try {
      const small = await shrink(file);
      const files = new DataTransfer();
      files.items.add(small);
      input.files = files.files;
      URL.revokeObjectURL(preview.src);
      preview.src = URL.createObjectURL(small);
      preview.hidden = false;
    } catch {
      // The browser cannot read it; the server says why when it cannot either.
    }
  };

  const preparePad = (box) => {
    const canvas = box.querySelector("[data-pad]");
    const field = box.querySelector("[data-signature]");
    const pen = canvas.getContext("2d");
    const reset = () => {
      pen.fillStyle = "#ffffff";
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.strokeStyle = "#10203c";
      pen.lineWidth = 4;
      pen.lineCap = pen.lineJoin = "round";
      field.value = "";
      delete box.dataset.inked;
    };
    const at = (event) => {
      const frame = canvas.getBoundingClientRect();
      return [
        ((event.clientX - frame.left) * canvas.width) / frame.width,
        ((event.clientY - frame.top) * canvas.height) / frame.height,
      ];
    };
    canvas.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      canvas.setPointerCapture(event.pointerId);
      pen.beginPath();
      pen.moveTo(...at(event));
      box.dataset.inked = "1";
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!canvas.hasPointerCapture(event.pointerId)) return;
      for (const point of event.getCoalescedEvents?.() ?? [event]) pen.lineTo(...at(point));
      pen.stroke();
    });
    canvas.addEventListener("pointerup", () => {
      field.value = canvas.toDataURL("image/png");
    });
    box.querySelector("[data-clear]").addEventListener("click", reset);
    box.hidden = false;
    reset();
  };

  const showChat = (section, html) => {
    const box = document.createElement("template");
    box.innerHTML = html;
    const fresh = box.content.querySelector("ol.chat");
    if (!fresh) return;
    section.querySelector("ol.chat").replaceWith(fresh);
    fresh.lastElementChild.scrollIntoView({ block: "nearest", behavior: "smooth" });
  };

  // Says why a line is too long before it is sent, or kept for later: words are never cut.
  const tooLongWords = (form) => {
    const length = [...form.elements.body.value.trim()].length;
    return length > Number(form.dataset.longest) ? form.dataset.tooLong.replace("#", length) : "";
  };

  const onMessage = async (event) => {
    const form = event.target;
    if (!form.matches("form[data-form=message]")) return;
    event.preventDefault();
    if (form.dataset.sending) return;
    form.dataset.sending = "1";
    const section = form.closest("[data-chat]");
    const failed = form.querySelector("[data-chat-error]");
    const tooLong = event.submitter?.name === "quick" ? "" : tooLongWords(form);
    if (tooLong) {
      failed.textContent = tooLong;
      failed.hidden = false;
      form.elements.body.focus();
      delete form.dataset.sending;
      return;
    }
    try {
      const answer = await fetch(form.action, {
        method: "POST",
        headers: { "HX-Request": "true" },
        body: new FormData(form, event.submitter),
      });
      const html = await answer.text();
      if (answer.ok) {
        showChat(section, html);
        if (event.submitter?.name !== "quick") form.elements.body.value = "";
        if (form.elements.photo?.value) {
          form.elements.photo.value = "";
          onPhoto(form.elements.photo);
        }
        form.elements.request_id.value = crypto.randomUUID().replaceAll("-", "");
        failed.hidden = true;
      } else {
        const page = new DOMParser().parseFromString(html, "text/html");
        failed.textContent = page.querySelector(".lead, main p")?.textContent ?? String(answer.status);
        failed.hidden = false;
      }
    } catch {
      await keepMessage(form, event.submitter, failed);
    }
    delete form.dataset.sending;
  };

  const short = (words) => {
    const letters = [...words.trim().replace(/\s+/g, " ")];
    return letters.length > MOST_SHOWN ? `${letters.slice(0, MOST_SHOWN - 1).join("")}…` : letters.join("");
  };

  // A line without signal waits on the phone like any tap.
  const keepMessage = async (form, submitter, failed) => {
    failed.hidden = false;
    try {
      const words = submitter?.name === "quick" ? submitter.textContent : form.elements.body.value;
      await window.driverOutbox.keep(form, new FormData(form, submitter), `${form.dataset.label} “${short(words)}”`);
      failed.textContent = form.dataset.kept;
      window.driverOutbox.flush();
      if (submitter?.name !== "quick") form.elements.body.value = "";
      if (form.elements.photo?.value) {
        form.elements.photo.value = "";
        onPhoto(form.elements.photo);
      }
      form.elements.request_id.value = crypto.randomUUID().replaceAll("-", "");
    } catch {
      failed.textContent = form.dataset.offline;
    }
  };

  const markSeen = () => {
    if (document.hidden || document.body.dataset.moving === "yes") return;
    const isUnseen = [...document.querySelectorAll("ol.chat")].some((chat) => Number(chat.dataset.unseen) > 0);
    if (!isUnseen) return;
    for (const chat of document.querySelectorAll("ol.chat")) chat.dataset.unseen = "0";
    fetch(`${location.pathname}/seen`, { method: "POST" }).catch(() => {});
  };

  const prepare = () => {
    for (const box of document.querySelectorAll("[data-pad-box][hidden]")) preparePad(box);
    markSeen();
  };

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-photo]")) onPhoto(event.target);
  });
  document.addEventListener("submit", onMessage, true);
  document.addEventListener("driver:fresh", prepare);
  document.addEventListener("visibilitychange", markSeen);
  prepare();
})();
