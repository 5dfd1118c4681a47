// Runs in the page; everything here also works without the network.
(() => {
  // Enter that ends the composition of an input method chooses a word; it must not send.
  const composing = event => event.isComposing || event.keyCode === 229 || justComposed;
  let justComposed = false;
  document.addEventListener('compositionend', () => {
    justComposed = true;
    setTimeout(() => { justComposed = false; }, 60); // Safari sends the Enter after the end
  }, true);
  for (const kind of ['keydown', 'keypress', 'keyup']) {
    document.addEventListener(kind, event => {
      if (event.key === 'Enter' && composing(event)) event.stopImmediatePropagation();
    }, true);
  }
  // The time since a question was put.
  setInterval(() => {
    for (const shown of document.querySelectorAll('[data-since]')) {
      const seconds = Math.max(0, Math.floor(Date.now() / 1000 - Number(shown.dataset.since)));
      shown.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
    }
  }, 1000);
  // A citation opens its card and shows where it is.
  document.addEventListener('click', event => {
    const mark = event.target.closest && event.target.closest('a.cite');
    if (!mark) return;
    event.preventDefault();
    const card = document.getElementById(mark.getAttribute('href').slice(1));
    if (!card) return;
    card.open = true;
    card.scrollIntoView({behavior: 'smooth', block: 'nearest'});
    card.classList.remove('found');
    requestAnimationFrame(() => card.classList.add('found'));
  });
})();
