(() => {
'use strict';
const $ = (selector) => document.querySelector(selector);
const root = document.documentElement;
const data = JSON.parse($('#data').textContent);
const charts = [...document.querySelectorAll('.chart')];
const views = {};
const status = (window.journeys = {drawn: 0, errors: [], times: {}, views});

// Datasets are stored as columns, each distinct text once, which takes a third of the size of rows. Sentences are stored
// as templates (`like`): texts, and the columns whose texts belong between them. Indexes into a short list are stored as
// one character each. Columns that repeat are stored once, in data.shared.
const INDEX_CHARACTERS = [...Array(92).keys()].map((n) => String.fromCharCode(35 + n)).filter((c) => c !== '<' && c !== '\\').join('');
const indexesOf = (at) => typeof at === 'string' ? [...at].map((c) => INDEX_CHARACTERS.indexOf(c)) : at;
function rowsOf(stored) {
  const columns = Object.fromEntries(Object.entries(stored).map(([field, column]) => [field, '$' in column ? data.shared[column.$] : column]));
  const sentence = (pieces, i) => pieces.map((piece) => Array.isArray(piece) ? valuesOf(columns[piece[0]])[i] : piece).join('');
  const known = new Map();
  const valuesOf = (column) => known.get(column) || known.set(column, unpacked(column)).get(column);
  const unpacked = (column) => Array.isArray(column) ? column
    : column.like ? indexesOf(column.at).map((index, i) => sentence(column.like[index], i))
    : column.at ? indexesOf(column.at).map((index) => column.of[index])
    : column.of.flatMap((value, i) => Array(column.times[i]).fill(value));
  const read = Object.entries(columns).map(([field, column]) => [field, valuesOf(column)]);
  if (!read.length) return [{}];
  return read[0][1].map((_, i) => {
    const row = {};
    for (const [field, values] of read) if (values[i] !== null) row[field] = values[i];
    return row;
  });
}

const asked = new URLSearchParams(location.hash.slice(1)).get('theme');
let stored = null;
try { stored = localStorage.getItem('journeys-theme'); } catch (e) { /* a local file may have no access to storage */ }
const preferred = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
let mode = [asked, stored, preferred].find((name) => name === 'dark' || name === 'light');

const phone = matchMedia('(max-width: 700px)');
// Repeated parts of specifications are stored once, in data.shared.
function unshared(value) {
  if (Array.isArray(value)) return value.map(unshared);
  if (value === null || typeof value !== 'object') return value;
  if ('$' in value) return unshared(data.shared[value.$]);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, unshared(one)]));
}

const specs = {};
let onScreen = null;
function layoutOf(id) {
  if (onScreen && data.charts[id].paper) return 'paper';
  return phone.matches && data.charts[id].narrow ? 'narrow' : 'wide';
}
function specOf(id) {
  const chart = data.charts[id];
  const name = layoutOf(id);
  if (!specs[id + name]) {
    const spec = {...unshared(chart[name]), datasets: {}};
    const used = new Set([...JSON.stringify(spec).matchAll(/"data":{"name":"(d\d+)"}/g)].map((match) => match[1]));
    for (const key of used) spec.datasets[key] = rowsOf(chart.data[key]);
    specs[id + name] = spec;
  }
  return specs[id + name];
}

// A chart's interactive marks are one Tab stop: arrow keys move between them, Enter presses, Escape leaves.
const marks = (element) => [...element.querySelectorAll('svg [aria-roledescription], svg [role]')].filter((node) =>
  node.__data__ && node.__data__.cursor === 'pointer' && !node.getAttribute('aria-hidden'));
function reachable(element) {
  for (const node of element.querySelectorAll('[class*=_brush]')) node.setAttribute('aria-hidden', 'true');
  const nodes = marks(element);
  const stop = nodes.find((node) => node.getAttribute('tabindex') === '0') || nodes[0];
  for (const node of nodes) {
    if (node.getAttribute('role') !== 'button') node.setAttribute('role', 'button');
    const tabindex = node === stop ? '0' : '-1';
    if (node.getAttribute('tabindex') !== tabindex) node.setAttribute('tabindex', tabindex);
  }
}
function send(node, type) {
  const box = node.getBoundingClientRect();
  const at = {bubbles: true, cancelable: true, clientX: box.left + box.width / 2, clientY: box.top + box.height / 2};
  node.dispatchEvent(type === 'click' ? new MouseEvent(type, at) : new PointerEvent(type, at));
}
function pressed(element, event) {
  const nodes = marks(element);
  const current = nodes.indexOf(event.target);
  if (current < 0) return;
  const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
  const next = step ? current + step : {Home: 0, End: nodes.length - 1}[event.key];
  if (event.key === 'Enter' || event.key === ' ') send(nodes[current], 'click');
  else if (event.key === 'Escape') nodes[current].blur();
  else if (next !== undefined && nodes[next]) {
    nodes[current].setAttribute('tabindex', '-1');
    nodes[next].setAttribute('tabindex', '0');
    nodes[next].focus();
  } else if (next === undefined) return;
  event.preventDefault();
}
for (const chart of charts) {
  const isMark = (event) => event.target.getAttribute('role') === 'button';
  chart.addEventListener('focusin', (event) => {
    if (isMark(event)) for (const type of ['pointerover', 'pointermove']) send(event.target, type);
  });
  chart.addEventListener('focusout', (event) => { if (isMark(event)) send(event.target, 'pointerout'); });
  chart.addEventListener('keydown', (event) => pressed(chart, event));
  new MutationObserver(() => reachable(chart)).observe(
    chart, {subtree: true, childList: true, attributes: true, attributeFilter: ['role']});
}

// Adds a button that clears the selections of a chart with controls; it is visible while something is selected.
function clearable(element, view) {
  const control = element.querySelector('.vega-bind');
  const stores = Object.keys(view.getState({data: (name) => /_store$/.test(name), signals: () => false}).data);
  if (!control || !stores.length) return;
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'clear';
  button.textContent = 'Clear choice';
  control.parentElement.append(button);
  const update = () => { button.hidden = !stores.some((name) => view.data(name).length); };
  for (const name of stores) view.addDataListener(name, update);
  update();
  button.addEventListener('click', async () => {
    delete looks[element.dataset.chart];
    delete views[element.dataset.chart];
    await draw(element);
    element.querySelector('.vega-bindings select').focus();
  });
}

const looks = {};
const lookOf = (id) => mode + ' ' + layoutOf(id);
// Draws a chart unless its drawing is current, so that a reader who points at it or zooms is not interrupted. A chart
// that could not be drawn is drawn again on the next call.
async function draw(element) {
  const id = element.dataset.chart;
  if (looks[id] === lookOf(id)) return;
  looks[id] = lookOf(id);
  const start = performance.now();
  const kept = views[id] && views[id].getState({data: (name) => /_store$/.test(name), recurse: true});
  try {
    const result = await vegaEmbed(element, specOf(id), {
      mode: 'vega-lite', renderer: 'svg', ast: true, actions: false, defaultStyle: false,
      config: data.config[mode], tooltip: {theme: 'custom'},
    });
    views[id] = result.view;
    if (kept) await result.view.setState(kept);
    clearable(element, result.view);
    reachable(element);
    const box = element.parentElement;
    const wider = box.scrollWidth > box.clientWidth + 1;
    box.classList.toggle('wider', wider);
    if (wider) box.setAttribute('tabindex', '0'); else box.removeAttribute('tabindex');
    status.drawn += 1;
    status.times[id] = performance.now() - start;
  } catch (error) {
    delete looks[id];
    status.errors.push(id + ': ' + error);
    element.replaceChildren($('#failed').content.cloneNode(true));
  }
}

// Charts are drawn one at a time, visible ones first, the others when the browser is idle.
const near = new Set();
const pending = new Set();
let pump = Promise.resolve();
let hurried = 0;
const watch = new IntersectionObserver((entries) => {
  for (const entry of entries) near[entry.isIntersecting ? 'add' : 'delete'](entry.target);
}, {rootMargin: '300px'});
for (const chart of charts) watch.observe(chart);
const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
const idle = () => new Promise((done) => (window.requestIdleCallback || setTimeout)(done, {timeout: 1500}));
async function drawPending() {
  while (pending.size) {
    const element = [...pending].find((chart) => near.has(chart));
    if (!element && !hurried) await idle();
    const next = element || [...pending][0];
    pending.delete(next);
    await draw(next);
    if (!hurried) await painted();
  }
}
async function show() {
  root.dataset.theme = mode;
  $('#mode').setAttribute('aria-pressed', String(mode === 'dark'));
  await Promise.all(['400', '500', '600'].map((weight) => document.fonts.load(weight + ' 13px Inter')));
  if (!hurried) await painted();
  for (const chart of charts) pending.add(chart);
  await (pump = pump.then(drawPending));
}
const drawAll = (status.drawAll = async () => {
  hurried += 1;
  await show();
  hurried -= 1;
});

$('#mode').addEventListener('click', () => {
  mode = mode === 'dark' ? 'light' : 'dark';
  try { localStorage.setItem('journeys-theme', mode); } catch (e) { /* no access to storage */ }
  show();
});
// Pages are printed in light mode. Drawing waits only for promises that resolve at once, so that it is complete when the
// browser lays out the page for print; selections are kept.
async function onPaper() {
  onScreen = onScreen || mode;
  root.dataset.theme = mode = 'light';
  for (const chart of charts) await draw(chart);
}
addEventListener('beforeprint', onPaper);
addEventListener('afterprint', () => {
  mode = onScreen || mode;
  onScreen = null;
  show();
});
$('#print').addEventListener('click', () => window.print());
phone.addEventListener('change', () => show());
for (const button of document.querySelectorAll('[data-save]')) button.addEventListener('click', () => {
  const cell = (node) => '"' + node.textContent.replace(/"/g, '""').replace(/^([=+\-@])/, "'$1") + '"';
  const rows = [...button.parentElement.querySelectorAll('tr')].map((row) => [...row.children].map(cell).join(','));
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([rows.join('\r\n')], {type: 'text/csv'}));
  link.download = button.dataset.save + '.csv';
  link.click();
  URL.revokeObjectURL(link.href);
});
const here = $('nav [aria-current]');
if (here) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.offsetLeft - 16;
show();
})();
