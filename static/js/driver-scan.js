// Reads labels with the camera, where the phone has a detector. Each code that is read is ticked like a typed one.
(() => {
  "use strict";
  const form = document.querySelector("form[data-form=scan]");
  const dialog = document.querySelector("[data-scanner]");
  if (!form || !dialog || !("BarcodeDetector" in window) || !navigator.mediaDevices) return;
  const opener = form.querySelector("[data-camera]");
  const video = dialog.querySelector("video");
  const LOOK_MS = 200;
  let stream = null;
  let looking = 0;

  const close = () => {
    clearTimeout(looking);
    for (const track of stream ? stream.getTracks() : []) track.stop();
    stream = null;
    if (dialog.open) dialog.close();
  };

  const look = async (detector) => {
    if (!stream) return;
    const codes = await detector.detect(video).catch(() => []);
    const code = codes.find((found) => found.rawValue.trim());
    if (code) {
      if (navigator.vibrate) navigator.vibrate(60);
      form.elements.reference.value = code.rawValue.trim().slice(0, 120);
      form.elements.camera.value = "on";
      close();
      form.requestSubmit();
      return;
    }
    looking = setTimeout(look, LOOK_MS, detector);
  };

  const open = async () => {
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch {
      form.elements.reference.focus();
      return;
    }
    video.srcObject = stream;
    dialog.showModal();
    await video.play();
    look(new window.BarcodeDetector());
  };

  opener.hidden = false;
  opener.addEventListener("click", open);
  dialog.querySelector("[data-stop-camera]").addEventListener("click", close);
  dialog.addEventListener("cancel", close);
  addEventListener("pagehide", close);
  if ("again" in form.dataset) open();
})();
