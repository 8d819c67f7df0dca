// The page without signal lists what this phone kept of the day: the stops as they were last seen.
(() => {
  "use strict";
  const show = async () => {
    const cache = await caches.open("shift");
    const day = await cache.match("/d/");
    if (!day) return;
    const page = new DOMParser().parseFromString(await day.text(), "text/html");
    const known = new Set((await cache.keys()).map((request) => new URL(request.url).pathname));
    const rows = document.querySelector("[data-kept-rows]");
    for (const link of page.querySelectorAll("a[data-stop]")) {
      const path = link.getAttribute("href");
      if (!known.has(path)) continue;
      const row = document.createElement("li");
      const opens = document.createElement("a");
      opens.className = "row";
      opens.href = path;
      opens.textContent = (link.querySelector("strong") ?? link).textContent.trim();
      row.append(opens);
      rows.append(row);
    }
    document.querySelector("[data-kept]").hidden = !rows.children.length;
  };
  if ("caches" in window) show();
  addEventListener("online", () => location.reload());
})();
