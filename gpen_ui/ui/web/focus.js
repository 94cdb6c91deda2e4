// Keeps the keyboard's place: when a button is hidden by what it did, the one that comes in its place gets the focus, also
// when that takes a while. A person who went elsewhere meanwhile is left there.
const NEXT = [  // what had the focus, and what may have it next, the best first
  ['#single-start', '#single-stop'], ['#single-stop', '#single-start'],
  ['#batch-pause', '#batch-resume', '#batch-retry'], ['#batch-stop', '#batch-resume', '#batch-retry'],
  ['#batch-resume', '#batch-pause'], ['#batch-retry', '#batch-pause'],
  ['#batch-remove', '#batch-remove-no'], ['#batch-remove-no', '#batch-remove'],
  ['#batch-remove-yes', '#batch-runs [aria-current]', '#batch-start'],
  ['#prices-measure', '#prices-stop'], ['#prices-stop', '#prices-measure'],
  ['#model-measure'], ['#model-reload'],  // come back themselves
  ['#preset-yes', '#preset-name input, #preset-name textarea'], ['#preset-no', '#preset-name input, #preset-name textarea'],
  ['#welcome-dismiss', '[role=tab][aria-selected=true]'],
  ['.overflow-dropdown button', '[role=tab][aria-selected=true]'],
];
let left = null;  // the row of what had the focus last

const rowOf = node => NEXT.find(([selector]) => node.closest?.(selector)) ?? null;
const usable = node => node !== null && !node.disabled && node.getClientRects().length > 0;

function goOn() {
  if (!left || document.activeElement !== document.body) return;
  const node = left.map(selector => document.querySelector(selector)).find(usable);
  node?.focus({preventScroll: true});
}

document.addEventListener('focusin', event => { left = rowOf(event.target); });
document.addEventListener('pointerdown', event => { left = rowOf(event.target); }, {capture: true});
new MutationObserver(() => requestAnimationFrame(goOn)).observe(document.body,
  {childList: true, subtree: true, attributes: true, attributeFilter: ['class', 'disabled', 'style']});
