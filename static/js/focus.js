/* A card that is swapped takes the pressed button with it: then the card's heading has the focus, not the page's top. */
(() => {
  "use strict";
  const cards = new WeakMap(); // by htmx's request: other swaps come in between

  document.addEventListener("htmx:before:request", (event) => {
    const card = event.detail.ctx?.sourceElement?.closest("section[id]");
    if (card) cards.set(event.detail.ctx, card.id);
  });

  document.addEventListener("htmx:after:swap", (event) => {
    const cardId = cards.get(event.detail.ctx);
    if (cardId && document.activeElement === document.body) document.querySelector(`#${cardId} h2`)?.focus({ preventScroll: true });
  });
})();
