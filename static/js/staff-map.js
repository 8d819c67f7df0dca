// The staff map: trucks and stops from the data attribute of a live part; drawn again whenever that part is fresh.
(() => {
  "use strict";
  const section = document.getElementById("map");
  if (!section) return;
  const NS = "http://www.w3.org/2000/svg";
  const TRUCK = "M2 7h11v9H2zM13 10h4.5L21 13v3h-8zM6 19a1.8 1.8 0 1 0 0-3.6A1.8 1.8 0 0 0 6 19zM17 19a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6z";
  let map = null;
  let drawn = [];
  let isSteered = false;
  let isLoading = false;

  const told = () => {
    const part = document.getElementById(section.dataset.source);
    const text = part && (part.dataset.places || part.dataset.trucks);
    const value = text ? JSON.parse(text) : [];
    return Array.isArray(value) ? { trucks: value, stops: [], depot: null } : value;
  };

  const load = (tag, attributes) =>
    new Promise((resolve, reject) => {
      const element = document.createElement(tag);
      element.nonce = document.querySelector("script[nonce]").nonce;
      Object.assign(element, attributes, { onload: resolve, onerror: reject });
      document.head.append(element);
    });

  const pin = (kind, text, path) => {
    const element = document.createElement("div");
    element.className = `mark mark--${kind}`;
    if (path) {
      const svg = document.createElementNS(NS, "svg");
      svg.setAttribute("viewBox", "0 0 24 24");
      svg.append(document.createElementNS(NS, "path"));
      svg.firstChild.setAttribute("d", path);
      element.append(svg);
    }
    if (text) element.append(Object.assign(document.createElement("span"), { textContent: text }));
    return element;
  };

  const put = (at, element, name, href, size, z) => {
    const icon = L.divIcon({ html: element, className: "", iconSize: [size, size] });
    const marker = L.marker(at, { icon, keyboard: Boolean(href), zIndexOffset: z, title: name }).addTo(map);
    if (href) {
      marker.on("click", () => (location.href = href));
      marker.on("keypress", (event) => event.originalEvent.key === "Enter" && (location.href = href));
    }
    marker.getElement().setAttribute("role", href ? "link" : "img");
    marker.getElement().setAttribute("aria-label", name);
    drawn.push(marker);
    return at;
  };

  const draw = () => {
    const { trucks, stops, depot } = told();
    drawn.forEach((marker) => marker.remove());
    drawn = [];
    const places = [];
    if (depot) places.push(put(depot, pin("depot", "", ""), "Depot", "", 14, 0));
    for (const stop of stops) {
      places.push(put([stop.lat, stop.lon], pin(stop.state, String(stop.n), ""), `Stop ${stop.n}, ${stop.name}`, "", 22, 10));
    }
    for (const truck of trucks) {
      const kind = truck.stale ? "truck mark--stale" : "truck";
      places.push(put([truck.lat, truck.lon], pin(kind, stops.length ? "" : truck.label, TRUCK), truck.name, truck.href, 30, 100));
    }
    if (!isSteered && places.length) map.fitBounds(places, { padding: [36, 36], maxZoom: 15, animate: false });
  };

  const start = async () => {
    const { trucks, stops } = told();
    if (isLoading || !(trucks.length || stops.length)) return;
    isLoading = true;
    section.hidden = false;
    section.parentElement.classList.add("fleet--mapped");
    await load("link", { rel: "stylesheet", href: section.dataset.leafletCss });
    await load("script", { src: section.dataset.leaflet });
    await load("script", { src: section.dataset.shell });
    map = window.map_live;
    map.setView([0, 0], 12, { animate: false });
    map.on("dragstart zoomstart", (event) => event.originalEvent && (isSteered = true));
    map.on("dragstart", () => (isSteered = true));
    section.addEventListener("click", (event) => {
      const wanted = event.target.dataset.zoom;
      if (!wanted) return;
      isSteered = wanted !== "fit";
      if (wanted === "fit") draw();
      else map[wanted === "in" ? "zoomIn" : "zoomOut"]();
    });
    new ResizeObserver(() => map.invalidateSize({ animate: false })).observe(section);
    draw();
  };

  const refresh = () => (map ? draw() : start().catch(() => (section.hidden = true)));
  document.querySelector("main").addEventListener("staff:fresh", refresh);
  refresh();
})();
