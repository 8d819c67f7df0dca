/* The map of a page with #map: Leaflet and folium's script are fetched when there is a truck to show, after the text.
   The truck glides from fix to fix, never ahead of the last one, and not at all for who wants less motion. */
(() => {
  "use strict";
  const LONGEST_GLIDE_MS = 15000;
  const JUMP_M = 2000;
  const STALE_MS = 120000;
  const SET_BACK_MS = 300000; // nothing is told so late: more than this, and the server's clock was set back

  let map = null; // Leaflet's
  let loading = null;
  let truck = null;
  let line = null;
  let latest = null;
  let motion = 0;
  let isSteered = false; // somebody moved the map: leave it where it is

  const section = () => document.getElementById("map");
  const home = () => section().dataset.home.split(" ").map(Number);

  const NS = "http://www.w3.org/2000/svg";
  const HOUSE = "M4 11 12 4l8 7M6.5 9.5V20h11V9.5M10 20v-5h4v5";
  const TRUCK = "M2 7h11v9H2zM13 10h4.5L21 13v3h-8zM6 19a1.8 1.8 0 1 0 0-3.6A1.8 1.8 0 0 0 6 19zM17 19a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6z";

  function pin(kind, path) {
    const element = document.createElement("div");
    element.className = `pin pin--${kind}`;
    const svg = document.createElementNS(NS, "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    svg.append(document.createElementNS(NS, "path"));
    svg.firstChild.setAttribute("d", path);
    element.append(svg);
    if (kind === "truck") {
      const heading = document.createElement("span");
      heading.className = "pin__heading";
      element.append(heading);
    }
    return element;
  }

  function marker(at, element, size, name, zIndexOffset) {
    const icon = L.divIcon({ html: element, className: "", iconSize: [size, size] });
    const made = L.marker(at, { icon, interactive: false, keyboard: false, zIndexOffset }).addTo(map);
    made.getElement().setAttribute("role", "img");
    made.getElement().setAttribute("aria-label", name);
    return made;
  }

  const fetchScript = (address) =>
    new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.nonce = document.querySelector("script[nonce]").nonce;
      Object.assign(script, { src: address, onload: resolve, onerror: reject });
      document.head.append(script);
    });

  const fetchStyle = (address) =>
    new Promise((resolve, reject) => {
      const sheet = document.createElement("link");
      Object.assign(sheet, { rel: "stylesheet", href: address, onload: resolve, onerror: reject });
      document.head.prepend(sheet); // before our own, which has the last word
    });

  async function load() {
    const { leaflet, leafletCss, shell } = section().dataset;
    if (!window.L) await Promise.all([fetchStyle(leafletCss), fetchScript(leaflet)]);
    section().hidden = false;
    await fetchScript(shell);
    map = window.map_live;
    map.setView(home(), 15, { animate: false });
    map.scrollWheelZoom.disable(); // the page scrolls over the map; buttons and pinch zoom it
    map.on("dragstart", () => (isSteered = true));
    map.on("zoomend moveend", drawScale);
    map.getContainer().setAttribute("aria-label", section().getAttribute("aria-label"));
    if (section().dataset.tiles === "no") drawRings();
    marker(home(), pin("home", HOUSE), 40, section().dataset.homeName, 0);
    new ResizeObserver(() => {
      if (!isThere()) return;
      map.invalidateSize({ animate: false });
      if (!isSteered) fit(false);
    }).observe(map.getContainer());
  }

  function drawRings() {
    for (const radius of [500, 1000, 2000, 4000])
      L.circle(home(), { radius, className: "map-ring", fill: false, interactive: false }).addTo(map);
  }

  function drawScale() {
    const scale = section()?.querySelector(".map__scale");
    if (!scale) return;
    const y = map.getSize().y / 2;
    const metres = map.distance(map.containerPointToLatLng([0, y]), map.containerPointToLatLng([96, y]));
    const tens = 10 ** Math.floor(Math.log10(metres));
    const round = [5, 2, 1].map((n) => n * tens).find((n) => n <= metres) ?? tens;
    scale.firstElementChild.style.width = `${Math.round((96 * round) / metres)}px`;
    scale.firstElementChild.textContent = round >= 1000 ? `${round / 1000} km` : `${round} m`;
    scale.classList.add("is-ready");
  }

  function fit(animate = true) {
    if (!isThere()) return;
    if (!latest) return map.setView(home(), 15, { animate });
    const bounds = L.latLngBounds([home(), [latest.lat, latest.lon]]);
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    // Right of the home are the buttons.
    map.fitBounds(bounds, { paddingTopLeft: [56, 56], paddingBottomRight: [88, 56], maxZoom: 16, animate: animate && !isStill });
  }

  // The page may have been fetched anew without the map, or with an empty one.
  const isThere = () => Boolean(section() && map && document.contains(map.getContainer()));

  function forget() {
    cancelAnimationFrame(motion);
    map = loading = truck = line = latest = null;
  }

  async function show(place) {
    if (map && !isThere()) forget();
    if (!section()) return;
    if (!place) return hide();
    try {
      await (loading ??= load());
    } catch (error) {
      loading = null;
      if (section()) section().hidden = true; // the page is complete without a map
      return;
    }
    if (!isThere()) return;
    section().hidden = false;
    document.getElementById("main")?.classList.add("track--map");
    const before = latest;
    const back = before ? Date.parse(before.at) - Date.parse(place.at) : 0;
    if (back > 0 && back < SET_BACK_MS) return; // never back in time
    latest = place;
    draw(before, place);
  }

  function hide() {
    latest = null;
    cancelAnimationFrame(motion);
    truck?.remove();
    line?.remove();
    truck = line = null;
    section().hidden = true;
    document.getElementById("main")?.classList.remove("track--map");
  }

  function draw(before, place) {
    const target = L.latLng(place.lat, place.lon);
    const isNew = !truck;
    if (isNew) truck = marker(target, pin("truck", TRUCK), 52, section().dataset.truckName, 1000);
    const element = truck.getElement().querySelector(".pin");
    element.classList.toggle("is-stale", place.stale);
    const heading = element.querySelector(".pin__heading");
    truck.getElement().setAttribute("aria-label", truckWords(target, place.stale));
    heading.hidden = place.heading === null;
    heading.style.transform = `rotate(${place.heading ?? 0}deg)`;
    if (isNew) {
      drawLine(target, place.line);
      map.invalidateSize({ animate: false });
      fit(false);
      return;
    }
    const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const from = truck.getLatLng();
    const gap = before ? Date.parse(place.at) - Date.parse(before.at) : Infinity;
    const jumps = isStill || gap > STALE_MS || map.distance(from, target) > JUMP_M;
    cancelAnimationFrame(motion);
    if (jumps) put(target, place.line);
    else glide(from, target, Math.min(Math.max(gap, 300), LONGEST_GLIDE_MS), place.line);
    if (!isSteered && !map.getBounds().pad(-0.12).contains(target)) fit();
  }

  // What the map tells to who does not see it: it is read when they come to the truck, not by itself.
  function truckWords(at, isStale) {
    const metres = map.distance(at, home());
    const far = metres < 950 ? `${Math.max(50, Math.round(metres / 50) * 50)} m` : `${(metres / 1000).toFixed(1)} km`;
    return section().dataset[isStale ? "truckLast" : "truckAway"].replace("#", far);
  }

  function glide(from, target, duration, hasLine) {
    const start = performance.now();
    const frame = (now) => {
      const share = Math.min(1, Math.max(0, (now - start) / duration));
      const at = L.latLng(from.lat + (target.lat - from.lat) * share, from.lng + (target.lng - from.lng) * share);
      put(at, hasLine);
      if (share < 1) motion = requestAnimationFrame(frame);
    };
    motion = requestAnimationFrame(frame);
  }

  function put(at, hasLine) {
    truck.setLatLng(at);
    drawLine(at, hasLine);
  }

  function drawLine(at, hasLine) {
    if (!hasLine) {
      line?.remove();
      line = null;
    } else if (line) line.setLatLngs([at, home()]);
    else line = L.polyline([at, home()], { className: "map-line", interactive: false }).addTo(map);
  }

  document.addEventListener("click", (event) => {
    const wish = event.target.closest?.("[data-map]")?.dataset.map;
    if (!wish || !map) return;
    if (wish === "fit") {
      isSteered = false;
      fit();
    } else {
      isSteered = true;
      map.setZoom(map.getZoom() + (wish === "in" ? 1 : -1));
    }
  });
  document.addEventListener("portal:place", (event) => show(event.detail));
  const first = section()?.dataset.place;
  if (first) show(JSON.parse(first));
})();
