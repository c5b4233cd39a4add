(() => {
'use strict';
const $ = (selector) => document.querySelector(selector);
const root = document.documentElement;
const data = JSON.parse($('#data').textContent);
const charts = [...document.querySelectorAll('.chart')];
const views = {};
const status = (window.journeys = {drawn: 0, errors: [], views});

// Data travels as columns, which is less than half the size of rows.
for (const chart of Object.values(data.charts)) {
  for (const [name, columns] of Object.entries(chart.data)) {
    const fields = Object.keys(columns);
    const rows = fields.length ? columns[fields[0]].map((_, i) => {
      const row = {};
      for (const field of fields) if (columns[field][i] !== null) row[field] = columns[field][i];
      return row;
    }) : [{}];
    for (const spec of [chart.wide, chart.narrow]) if (spec) (spec.datasets = spec.datasets || {})[name] = rows;
  }
}

const asked = new URLSearchParams(location.hash.slice(1)).get('theme');
let stored = null;
try { stored = localStorage.getItem('journeys-theme'); } catch (e) { /* storage may be closed to a local file */ }
const preferred = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
let mode = [asked, stored, preferred].find((name) => name === 'dark' || name === 'light');

const phone = matchMedia('(max-width: 700px)');
const specOf = (id) => (phone.matches && data.charts[id].narrow) || data.charts[id].wide;

// What reacts to the pointer is reached with Tab and pressed with Enter.
function reachable(element) {
  for (const node of element.querySelectorAll('[class*=_brush]')) node.setAttribute('aria-hidden', 'true');
  for (const node of element.querySelectorAll('[role="graphics-symbol"]')) {
    if (node.getAttribute('aria-hidden') || !node.__data__ || node.__data__.cursor !== 'pointer') continue;
    node.setAttribute('tabindex', '0');
    node.setAttribute('role', 'button');
    const send = (type) => {
      const box = node.getBoundingClientRect();
      const at = {bubbles: true, cancelable: true, clientX: box.left + box.width / 2, clientY: box.top + box.height / 2};
      node.dispatchEvent(type === 'click' ? new MouseEvent(type, at) : new PointerEvent(type, at));
    };
    node.addEventListener('focus', () => { send('pointerover'); send('pointermove'); });
    node.addEventListener('blur', () => send('pointerout'));
    node.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); send('click'); }
      else if (event.key === 'Escape') node.blur();
    });
  }
}

async function draw(element) {
  const id = element.dataset.chart;
  const kept = views[id] && views[id].getState({data: (name) => /_store$/.test(name), recurse: true});
  try {
    const result = await vegaEmbed(element, specOf(id), {
      mode: 'vega-lite', renderer: 'svg', ast: true, actions: false, defaultStyle: false,
      config: data.config[mode], tooltip: {theme: 'custom'},
    });
    views[id] = result.view;
    if (kept) await result.view.setState(kept);
    reachable(element);
    status.drawn += 1;
  } catch (error) {
    status.errors.push(id + ': ' + error);
    const box = document.createElement('div');
    box.className = 'state';
    box.textContent = 'This chart could not be drawn. The table below has the same numbers.';
    element.replaceChildren(box);
  }
}

const waiting = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) { waiting.unobserve(entry.target); draw(entry.target); }
}, {rootMargin: '600px'});

async function show() {
  root.dataset.theme = mode;
  $('#mode').setAttribute('aria-pressed', String(mode === 'dark'));
  await Promise.all(['400', '500', '600'].map((weight) => document.fonts.load(weight + ' 13px Inter')));
  for (const chart of charts) { waiting.unobserve(chart); waiting.observe(chart); }
}

const drawAll = (status.drawAll = async () => { for (const chart of charts) await draw(chart); });

$('#mode').addEventListener('click', () => {
  mode = mode === 'dark' ? 'light' : 'dark';
  try { localStorage.setItem('journeys-theme', mode); } catch (e) { /* as above */ }
  show();
});
$('#print').addEventListener('click', async () => {
  const before = mode;
  mode = 'light';
  root.dataset.theme = mode;
  await drawAll();
  window.print();
  mode = before;
  show();
});
phone.addEventListener('change', show);
for (const button of document.querySelectorAll('[data-save]')) button.addEventListener('click', () => {
  const cell = (node) => '"' + node.textContent.replace(/"/g, '""').replace(/^([=+\-@])/, "'$1") + '"';
  const rows = [...button.parentElement.querySelectorAll('tr')].map((row) => [...row.children].map(cell).join(','));
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([rows.join('\r\n')], {type: 'text/csv'}));
  link.download = button.dataset.save + '.csv';
  link.click();
  URL.revokeObjectURL(link.href);
});
show();
})();
