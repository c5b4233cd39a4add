(() => {
'use strict';
const $ = (selector) => document.querySelector(selector);
const root = document.documentElement;
const data = JSON.parse($('#data').textContent);
const charts = [...document.querySelectorAll('.chart')];
const views = {};
const status = (window.journeys = {drawn: 0, errors: [], times: {}, views});

// Data travels as columns, each text of a column once, which is a third of the size of rows. A sentence is told by what
// it is like: texts, and the columns whose texts stand between them.
// Places in a short list are told a character each.
const PLACES = [...Array(92).keys()].map((n) => String.fromCharCode(35 + n)).filter((c) => c !== '<' && c !== '\\').join('');
const placesOf = (at) => typeof at === 'string' ? [...at].map((c) => PLACES.indexOf(c)) : at;
function rowsOf(columns) {
  const said = (pieces, i) => pieces.map((piece) => Array.isArray(piece) ? inRow(columns[piece[0]])[i] : piece).join('');
  const known = new Map();
  const inRow = (column) => known.get(column) || known.set(column, unfolded(column)).get(column);
  const unfolded = (column) => Array.isArray(column) ? column
    : column.like ? placesOf(column.at).map((place, i) => said(column.like[place], i))
    : column.at ? placesOf(column.at).map((place) => column.of[place])
    : column.of.flatMap((value, i) => Array(column.times[i]).fill(value));
  const read = Object.entries(columns).map(([field, column]) => [field, inRow(column)]);
  if (!read.length) return [{}];
  return read[0][1].map((_, i) => {
    const row = {};
    for (const [field, values] of read) if (values[i] !== null) row[field] = values[i];
    return row;
  });
}

const asked = new URLSearchParams(location.hash.slice(1)).get('theme');
let stored = null;
try { stored = localStorage.getItem('journeys-theme'); } catch (e) { /* storage may be closed to a local file */ }
const preferred = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
let mode = [asked, stored, preferred].find((name) => name === 'dark' || name === 'light');

const phone = matchMedia('(max-width: 700px)');
// What comes again in specifications travels once, in data.shared.
function inFull(value) {
  if (Array.isArray(value)) return value.map(inFull);
  if (value === null || typeof value !== 'object') return value;
  if ('$' in value) return inFull(data.shared[value.$]);
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, inFull(one)]));
}

const specs = {};
const layoutOf = (id) => phone.matches && data.charts[id].narrow ? 'narrow' : 'wide';
function specOf(id) {
  const chart = data.charts[id];
  const name = layoutOf(id);
  if (!specs[id + name]) {
    const spec = {...inFull(chart[name]), datasets: {}};
    const used = new Set([...JSON.stringify(spec).matchAll(/"data":{"name":"(d\d+)"}/g)].map((found) => found[1]));
    for (const key of used) spec.datasets[key] = rowsOf(chart.data[key]);
    specs[id + name] = spec;
  }
  return specs[id + name];
}

// What reacts to the pointer is one stop of Tab a chart: arrows move within it, Enter presses, Escape leaves.
const marks = (element) => [...element.querySelectorAll('svg [aria-roledescription], svg [role]')].filter((node) =>
  node.__data__ && node.__data__.cursor === 'pointer' && !node.getAttribute('aria-hidden'));
function reachable(element) {
  for (const node of element.querySelectorAll('[class*=_brush]')) node.setAttribute('aria-hidden', 'true');
  const nodes = marks(element);
  const stop = nodes.find((node) => node.getAttribute('tabindex') === '0') || nodes[0];
  for (const node of nodes) {
    if (node.getAttribute('role') !== 'button') node.setAttribute('role', 'button');
    const place = node === stop ? '0' : '-1';
    if (node.getAttribute('tabindex') !== place) node.setAttribute('tabindex', place);
  }
}
function send(node, type) {
  const box = node.getBoundingClientRect();
  const at = {bubbles: true, cancelable: true, clientX: box.left + box.width / 2, clientY: box.top + box.height / 2};
  node.dispatchEvent(type === 'click' ? new MouseEvent(type, at) : new PointerEvent(type, at));
}
function pressed(element, event) {
  const nodes = marks(element);
  const place = nodes.indexOf(event.target);
  if (place < 0) return;
  const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
  const next = step ? place + step : {Home: 0, End: nodes.length - 1}[event.key];
  if (event.key === 'Enter' || event.key === ' ') send(nodes[place], 'click');
  else if (event.key === 'Escape') nodes[place].blur();
  else if (next !== undefined && nodes[next]) {
    nodes[place].setAttribute('tabindex', '-1');
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

// What was chosen in a chart with controls is cleared by a button, which is there while something is chosen.
function clearable(element, view) {
  const control = element.querySelector('.vega-bind');
  if (!control) return;
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'clear';
  button.textContent = 'Clear choice';
  control.parentElement.append(button);
  const stores = Object.keys(view.getState({data: (name) => /_store$/.test(name), signals: () => false}).data);
  const told = () => { button.hidden = !stores.some((name) => view.data(name).length); };
  for (const name of stores) view.addDataListener(name, told);
  told();
  button.addEventListener('click', async () => {
    delete looks[element.dataset.chart];
    delete views[element.dataset.chart];
    await draw(element);
    element.querySelector('.vega-bindings select').focus();
  });
}

const looks = {};
const lookOf = (id) => mode + ' ' + layoutOf(id);
// A chart that already looks as it should is left alone: who points at it, or has moved into it, is not disturbed.
// One that could not be drawn is tried again.
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

// One chart after the other, those in sight first; the others when the browser has nothing else to do.
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
  try { localStorage.setItem('journeys-theme', mode); } catch (e) { /* as above */ }
  show();
});
// Paper is white: whatever prints the page, prints it light. Drawing waits for nothing but promises that are kept at
// once, so that it is done when the page is laid out for paper; what has been chosen in a chart stays chosen.
let onScreen = null;
async function onPaper() {
  onScreen = onScreen || mode;
  root.dataset.theme = mode = 'light';
  for (const chart of charts) await draw(chart);
}
addEventListener('beforeprint', onPaper);
addEventListener('afterprint', () => {
  const other = onScreen !== mode;
  mode = onScreen || mode;
  onScreen = null;
  if (other) show();
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
