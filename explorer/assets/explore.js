'use strict';
(() => {
const $ = (selector) => document.querySelector(selector);
const NUMBER = new Intl.NumberFormat('en-US');
const SLOW = 300;
const START = { kind: 'funnel', steps: [], order: 'ordered', window: '7d', count: 'customers', exclude: [], by: [], segment: [], start: '', end: '', period: 'week', returns: 'on',
  compared: [], goal: '', on: 'channel', model: 'markov', survey: 'csat', per: 'stage', side: 'after', depth: '4', repeats: 'joined' };
const CHOICES = { order: [['ordered', 'In this order', 'Other touches may come in between'], ['strict', 'Directly one after the other', 'Nothing else in between'], ['unordered', 'In any order', 'All steps within the window']],
  count: [['customers', 'customers', 'Each once, by the attempt that gets furthest'], ['journeys', 'journeys', 'All steps within one journey'], ['sessions', 'sessions', 'All steps within one session'], ['entries', 'attempts', 'Each attempt that does not overlap another']], period: [], returns: [], goal: [], on: [], model: [], survey: [], per: [], side: [], depth: [], repeats: [] };
const TITLES = { order: 'Order of the steps', count: 'What is counted', period: 'Period', returns: 'When they come back',
  goal: 'Goal', on: 'What earns', model: 'Model', survey: 'Survey', per: 'Scores by', side: 'Direction', depth: 'Positions', repeats: 'The same again' };
const LISTS = ['exclude', 'by', 'segment', 'compared'];
/* What a kind offers is said by the server: its label, the sentence of its rules, its choices and the parts of the panel. */
const kindOf = (kind) => V.kinds[kind];
const choicesOf = (key, kind) => kindOf(kind).choices[key] || CHOICES[key];
const usual = (kind) => ({ ...START, kind, ...Object.fromEntries(Object.entries(kindOf(kind).choices).filter(([, all]) => all.length).map(([key, [[value]]]) => [key, value])) });
const offers = (part) => kindOf(q.kind).parts.includes(part);
const UNITS = { customers: 'customers', journeys: 'journeys', sessions: 'sessions', entries: 'attempts' };
const LENGTHS = { s: 'second', m: 'minute', h: 'hour', d: 'day', w: 'week' };
const MOST_STEPS = 12, MOST_BY = 2, MOST_COLUMNS = 3, MOST_STARTS = 12, MOST_GROUPS = 2, PHONE = 900, PHONE_POSITIONS = 3;
let V = null, q, past = [], future = [], asked = 0, running = null, last = null, bars = [], tab = 'python', opener = '', letters = true, walked = new Map(), within = '', again = null;

/* Elements: texts of the data are only ever text. */
function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'on') for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else if (name === 'css') for (const [property, text] of Object.entries(value)) made.style.setProperty(property, text);
    else made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}
const button = (text, act, attributes = {}) => el('button', { type: 'button', ...attributes, on: { click: act } }, text);
const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)}\u202f%`;
const label = (step) => step.any.join(' or ');
const column = (name) => V.columns.find((each) => each.column === name) || { column: name, name: name.replace(/^segment:/, ''), values: [] };
const span = (text) => { const [, number, unit] = /^(\d+)([smhdw])$/.exec(text) || [];
  return unit ? `${number} ${LENGTHS[unit]}${number === '1' ? '' : 's'}` : text; };
const condition = (one) => `${column(one.column).name} ${one.sign} ${one.values.join(', ')}`;
const day = (text, shift = 0) => { const at = new Date(`${text}T00:00Z`); at.setUTCDate(at.getUTCDate() + shift);
  return at.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' }); };

/* The question as the server reads it. */
const plainWord = (word) => /^[\p{L}\p{N}_][\p{L}\p{N}_ .\-/]*$/u.test(word) && word === word.trim();
const writtenWord = (step, word) => (step.on === 'stage' ? 'stage:' : '') + (plainWord(word) ? word : JSON.stringify(word));
const writtenColumn = (name) => /^[\p{L}\p{N}_.]+$/u.test(name) ? name : JSON.stringify(name);
const writtenCondition = (one) => `${writtenColumn(one.column)} ${one.sign} ${/is/.test(one.sign) ? one.values.map((value) => JSON.stringify(value)).join(', ') : one.values[0]}`;
const writtenStep = (step) => step.any.map((word) => writtenWord(step, word)).join(' | ') + (step.where.length ? ` [${step.where.map(writtenCondition).join(' and ')}]` : '');
function body(question, more = {}) {
  const { parts, choices } = kindOf(question.kind), has = (part, value) => parts.includes(part) ? value : [];
  const sent = { steps: has('steps', question.steps.map(writtenStep)), window: question.window, exclude: question.exclude, by: has('by', question.by), compared: has('groups', question.compared), segment: has('only', question.segment), kind: question.kind };
  for (const key of Object.keys(CHOICES)) if (CHOICES[key].length || choices[key]?.length) sent[key] = question[key];
  if (parts.includes('entered') && question.start) sent.start = question.start;
  if (parts.includes('entered') && question.end) sent.end = question.end;
  return JSON.stringify({ ...sent, ...more });
}

/* State lives in the fragment, without defaults; without any, the first question is a walk from touch to touch. */
const texts = (value) => Array.isArray(value) ? value.filter((one) => typeof one === 'string') : [];
function read() {
  const found = structuredClone(START);
  if (location.hash.length < 2) return V.kinds.walk ? structuredClone(usual('walk')) : found;
  let given;
  try { given = JSON.parse(decodeURIComponent(location.hash.slice(1)) || '{}'); } catch { return found; }
  if (typeof given !== 'object' || given === null) return found;
  for (const name of ['kind', 'window', 'start', 'end', ...Object.keys(CHOICES)]) if (typeof given[name] === 'string') found[name] = given[name];
  for (const name of LISTS) found[name] = texts(given[name]);
  for (const step of Array.isArray(given.steps) ? given.steps : []) {
    const any = texts(step?.any);
    const where = (Array.isArray(step?.where) ? step.where : []).filter((one) => typeof one?.column === 'string' && typeof one.sign === 'string' && texts(one.values).length)
      .map((one) => ({ column: one.column, sign: one.sign, values: texts(one.values) }));
    if (any.length) found.steps.push({ any, on: step.on === 'stage' ? 'stage' : 'touchpoint', where });
  }
  if (!Object.hasOwn(V.kinds, found.kind)) found.kind = START.kind;
  for (const key of Object.keys(CHOICES)) {
    const known = choicesOf(key, found.kind).map(([value]) => value);
    if (known.length && !known.includes(found[key])) [found[key]] = known;
  }
  return found;
}
const changed = () => Object.fromEntries(Object.entries(q).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(START[name])));
const address = () => { const state = changed(); return Object.keys(state).length ? `#${encodeURIComponent(JSON.stringify(state))}` : location.pathname; };
function set(change) {
  past.push(JSON.stringify(q)); future = [];
  change(q);
  history.pushState(null, '', address());
  shut(); draw(); ask();
}
function go(text) { q = JSON.parse(text); history.replaceState(null, '', address()); shut(); draw(); ask(); }
const undo = () => { if (past.length) { future.push(JSON.stringify(q)); go(past.pop()); } };
const redo = () => { if (future.length) { past.push(JSON.stringify(q)); go(future.pop()); } };

/* The panel. */
function kept(redraw) {
  const key = document.activeElement?.dataset?.key;
  redraw();
  if (key && document.activeElement === document.body) focusKey(key);
}
const focusKey = (key) => document.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
function draw() { kept(() => {
  const first = q.steps[0], final = q.steps.at(-1);
  $('#name').textContent = !offers('steps') ? summed() : !first ? 'Untitled question' : q.steps.length > 1 ? `${label(first)} to ${label(final)}` : label(first);
  $('#save').disabled = !canSave(); $('#undo').disabled = !past.length; $('#redo').disabled = !future.length;
  $('#kinds').replaceChildren(...Object.entries(V.kinds).map(([kind, { label: text }]) => button(text, () => ofKind(kind), { 'data-key': `kind-${kind}`, 'aria-pressed': String(q.kind === kind) })));
  for (const [part, key] of [['steps', 'steps'], ['by', 'by'], ['only', 'only'], ['groups', 'groups'], ['entered', 'entered']]) $(`#${key}part`).hidden = !offers(part);
  $('#twopart').hidden = !offers('by') && !offers('only');
  $('#groups').replaceChildren(...groupsRule());
  $('#steps').replaceChildren(...q.steps.map(stepRow));
  $('#add').disabled = q.steps.length >= MOST_STEPS;
  $('#rules').replaceChildren(...rules());
  $('#by').replaceChildren(...q.by.map((name, at) => chip(column(name).name, `by-${at}`, () => set((n) => n.by.splice(at, 1)))),
    q.by.length < MOST_BY ? button(q.by.length ? '+ And' : '+ Column', (e) => pickBy(e.currentTarget), { class: 'put', 'data-key': 'by' }) : '');
  $('#only').replaceChildren(...q.segment.map((name, at) => chip(name, `only-${at}`, () => set((n) => n.segment.splice(at, 1)))),
    button(q.segment.length ? '+ And' : '+ Segment', (e) => pickOnly(e.currentTarget), { class: 'put', 'data-key': 'only' }));
  $('#editsaid').textContent = !offers('steps') ? summed() : first ? `${q.steps.map(label).join(' → ')}${kindOf(q.kind).rules.includes('{window}') ? ` · ${span(q.window)}` : ''}${offers('by') ? q.by.map((name) => ` · by ${column(name).name}`).join('') : ''}` : 'No steps yet';
  drawBars();
}); }
/* The question stays, the answer changes. */
function ofKind(kind) {
  if (kind === q.kind) return;
  const before = usual(q.kind);
  set((n) => { n.kind = kind; for (const key of Object.keys(CHOICES)) { const known = choicesOf(key, kind).map(([value]) => value); if (known.length && (!n.steps.length || !known.includes(n[key]) || (key === 'count' && n.count === before.count))) n[key] = usual(kind)[key]; } });
}
/* What a question without steps is about: its kind, and the first thing that is chosen. */
function summed() {
  const { label: kind, choices } = kindOf(q.kind), [key, all] = Object.entries(choices)[0];
  const found = all.find(([value]) => value === q[key]) || all[0];
  return found ? `${kind} · ${found[1]}` : kind;
}
const chip = (text, key, drop) => button(el('span', {}, `${text} ×`), drop, { class: 'chip', 'data-key': key, 'aria-label': `Remove ${text}` });
function stepRow(step, at) {
  const known = step.any.map((word) => V.words.find((one) => one.word === word && one.on === step.on)?.customers);
  const most = Math.max(...known.map((one) => one || 0));
  const word = el('button', { type: 'button', class: 'word', 'data-key': `step-${at}`, title: 'Replace this step', on: { click: (e) => pickWord(e.currentTarget, at, (one) => (n) => { n.steps[at] = { ...one, where: n.steps[at].where }; }) } },
    ...step.any.flatMap((text, number) => number ? [el('i', {}, ' or '), text] : [text]), step.on === 'stage' ? el('i', {}, ' stage') : null);
  const acts = el('span', { class: 'acts' },
    button('or', (e) => pickWord(e.currentTarget, at, (one) => (n) => { n.steps[at].any = [...new Set([...n.steps[at].any, ...one.any])]; }, step.on), { 'data-key': `or-${at}`, 'aria-label': `Step ${at + 1}: or another` }),
    V.shared ? null : button('where', (e) => pickCondition(e.currentTarget, (one) => (n) => n.steps[at].where.push(one)), { 'data-key': `where-${at}`, 'aria-label': `Step ${at + 1}: add a condition` }),
    at ? button('↑', () => move(at, -1), { 'data-key': `up-${at}`, 'aria-label': `Step ${at + 1}: move up` }) : null,
    button('×', () => set((n) => n.steps.splice(at, 1)), { 'data-key': `drop-${at}`, 'aria-label': `Step ${at + 1}: remove` }));
  return el('li', { class: 'step', 'data-step': String(at) }, el('span', { class: 'no', 'aria-hidden': 'true' }, String(at + 1)), word,
    el('span', { class: 'count' }, most ? `${step.any.length > 1 ? '≥ ' : ''}${NUMBER.format(most)}` : ''), acts,
    step.where.length ? el('span', { class: 'conds' }, ...step.where.map((one, number) => button(`${condition(one)} ×`, () => set((n) => n.steps[at].where.splice(number, 1)), { class: 'cond', 'data-key': `cond-${at}-${number}`, 'aria-label': `Remove ${condition(one)}` }))) : null);
}
function move(at, by) {
  const to = at + by;
  if (to < 0 || to >= q.steps.length) return;
  set((n) => n.steps.splice(to, 0, ...n.steps.splice(at, 1)));
  focusKey(`step-${to}`);
}
function rules() {
  const token = (text, key, open, name) => button(text, (e) => open(e.currentTarget), { class: JSON.stringify(q[key]) === JSON.stringify(usual(q.kind)[key]) ? 'tok' : 'tok set', 'data-key': key, 'aria-haspopup': 'dialog', 'aria-label': `${name}: ${text}` });
  const made = { window: () => token(span(q.window), 'window', pickWindow, 'Window'), exclude: () => token(q.exclude.length ? q.exclude.join(', ') : 'Nothing', 'exclude', pickExclude, 'Ends the attempt') };
  const chosen = (key) => { const all = choicesOf(key, q.kind); return token((all.find(([value]) => value === q[key]) || all[0])[1], key, choices(key, TITLES[key], all), TITLES[key]); };
  return kindOf(q.kind).rules.split(/\{(\w+)\}/).map((part, at) => at % 2 ? (made[part] || (() => chosen(part)))() : part);
}

/* The two groups of a comparison. */
const groupName = (group) => { if (group.startsWith('segment:')) return group.slice(8); const at = group.indexOf('='); return `${column(group.slice(0, at)).name} ${group.slice(at + 1)}`; };
function groupsRule() {
  const more = (text, key) => button(text, (e) => pickGroup(e.currentTarget), { class: 'tok', 'data-key': key, 'aria-haspopup': 'dialog', 'aria-label': `Compare: ${text}` });
  if (!q.compared.length) return [`${q.start ? 'The weeks chosen' : 'The last 28 days whose window is over'} against as long before, or `, more('a group', 'group'), '.'];
  const [one, other] = q.compared.map((group, at) => chip(groupName(group), `group-${at}`, () => set((n) => n.compared.splice(at, 1))));
  return [one, ' against ', other || more('everybody else', 'group')];
}
function pickGroup(at) {
  const left = (group) => !q.compared.includes(group);
  const groups = () => [{ name: 'Segments', items: V.segments.map((name) => ({ label: name, group: `segment:${name}` })).filter((one) => left(one.group)) },
    ...V.columns.filter((one) => !one.is_number).map((one) => ({ name: one.name, head: 'of customers', items: values(one).map((item) => ({ ...item, group: `${one.column}=${item.label}` })).filter((item) => left(item.group)) }))];
  pick(at, q.compared.length ? 'Against whom' : 'Group', groups, (one) => set((n) => { if (n.compared.length < MOST_GROUPS) n.compared.push(one.group); }));
}

/* Weeks of entry. */
const inRange = (bar) => (!q.start || bar.start >= q.start) && (!q.end || bar.end <= q.end);
function drawBars() {
  const highest = Math.max(1, ...bars.map((bar) => bar.count));
  $('#bars').replaceChildren(...bars.map((bar, at) => button(el('i', { css: { '--h': `${Math.round(100 * bar.count / highest)}%` } }),
    (e) => choose(bar, e.shiftKey), { class: bar.is_open ? 'open' : null, 'aria-pressed': String(inRange(bar)), 'aria-label': `${bar.said}${bar.is_open ? ', still open' : ''}`, title: bar.said, 'data-key': `bar-${bar.start}`, tabindex: at ? '-1' : '0' })));
  const from = q.start || bars[0]?.start, to = q.end || bars.at(-1)?.end, final = to && V.end && to > V.end ? day(V.end) : to && day(to, -1);
  const dated = kindOf(q.kind).dated;
  $('#dated').textContent = dated[0].toUpperCase() + dated.slice(1);
  $('#range').textContent = from && to ? `${day(from)} – ${final}` : '';
  $('#barhint').replaceChildren(bars.some((bar) => bar.is_open) ? `Hatched: the ${within || span(q.window)} are not over` : '',
    q.start || q.end ? button('All', () => set((n) => { n.start = ''; n.end = ''; }), { class: 'tok', 'data-key': 'all' }) : '');
}
function choose(bar, further) {
  set((n) => {
    if (!further || !n.start) { n.start = bar.start; n.end = bar.end; return; }
    n.end = bar.end > n.end ? bar.end : n.end;
    n.start = bar.start < n.start ? bar.start : n.start;
  });
}
$('#bars').addEventListener('keydown', (e) => {
  const all = [...$('#bars').children], at = all.indexOf(document.activeElement), to = at + { ArrowRight: 1, ArrowLeft: -1 }[e.key];
  if (at >= 0 && all[to]) { e.preventDefault(); all[to].focus(); }
});

/* Popovers. */
function pop(at, name, ...children) {
  opener = at.dataset.key || '';
  const box = $('#pop');
  box.replaceChildren(...children); box.setAttribute('aria-label', name); box.hidden = false;
  const place = at.getBoundingClientRect(), below = place.bottom + 6, height = box.offsetHeight;
  box.style.setProperty('left', `${Math.max(8, Math.min(place.left, innerWidth - 384))}px`);
  box.style.setProperty('top', `${scrollY + (below + height < innerHeight ? below : Math.max(60, place.top - height - 6))}px`);
  box.querySelector('input,button')?.focus({ preventScroll: true });
}
function shut() {
  if ($('#pop').hidden) return;
  $('#pop').hidden = true; $('#pop').replaceChildren();
  focusKey(opener);
}
/* One picker for words, values, columns and segments: a combobox with a list. `groups()` gives [{name, head, items}]. */
function pick(at, name, groups, chosen, typed = null, hints = ['↑ ↓ choose', 'Enter take', 'Esc back']) {
  let current = 0, options = [];
  const input = el('input', { type: 'text', role: 'combobox', 'aria-label': name, 'aria-expanded': 'true', 'aria-controls': 'opts', 'aria-autocomplete': 'list', placeholder: name, autocomplete: 'off', spellcheck: 'false' });
  const list = el('div', { class: 'opts', id: 'opts', role: 'listbox', 'aria-label': name });
  const mark = () => { options.forEach(({ row }, number) => row.setAttribute('aria-selected', String(number === current)));
    const row = options[current]?.row; input.setAttribute('aria-activedescendant', row?.id || ''); row?.scrollIntoView({ block: 'nearest' }); };
  const fits = (text, wanted) => wanted.split(/\s+/).every((part) => text.split(/[\s_-]+/).some((word) => word.startsWith(part)) || (part.length > 2 && text.includes(part)));
  function show() {
    const wanted = input.value.trim(), low = wanted.toLowerCase();
    list.replaceChildren(); options = [];
    const add = (item) => { const row = el('div', { class: 'opt', role: 'option', id: `opt-${options.length}`, on: { mousedown: (e) => { e.preventDefault(); chosen(item, e.shiftKey); } } },
      el('span', {}, item.label), el('em', {}, item.count || ''), item.share === undefined ? '' : el('i', { css: { '--w': `${Math.min(100, 100 * item.share)}%` } }));
      options.push({ row, item }); list.append(row); };
    for (const group of groups()) {
      const hits = group.items.filter((item) => !low || fits(item.label.toLowerCase(), low));
      if (!hits.length) continue;
      list.append(el('div', { class: 'group' }, el('span', {}, group.name), el('span', {}, group.head || '')));
      hits.forEach(add);
    }
    if (typed && wanted && !options.some(({ item }) => item.label === wanted)) add({ ...typed(wanted), label: `“${wanted}”, as typed` });
    if (!options.length) list.append(el('div', { class: 'group' }, 'Nothing fits'));
    current = Math.min(current, Math.max(0, options.length - 1)); mark();
  }
  input.addEventListener('input', () => { current = 0; show(); });
  input.addEventListener('keydown', (e) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (step && options.length) { e.preventDefault(); current = (current + step + options.length) % options.length; mark(); }
    if (e.key === 'Enter' && options[current]) { e.preventDefault(); chosen(options[current].item, e.shiftKey); }
  });
  pop(at, name, input, list, el('div', { class: 'foot', 'aria-hidden': 'true' }, ...hints.map((hint) => el('span', {}, hint))));
  show();
  return show;
}
/* Words, with the share of those who go on to each after the steps so far. */
function pickWord(at, place, change, on = null) {
  const before = { ...q, steps: q.steps.slice(0, place) };
  let shares = null;
  const item = (one) => { const share = shares ? shares[`${one.on}:${one.word}`] : one.customers / Math.max(1, V.customers);
    return { label: one.word, any: [one.word], on: one.on, sort: share ?? -1, share, count: share === undefined || share === null ? '' : percent(share) }; };
  const groups = () => [['Stages', 'stage'], ['Touchpoints', 'touchpoint']].filter(([, kind]) => !on || on === kind).map(([name, kind]) => {
    const items = V.words.filter((one) => one.on === kind).map(item);
    if (kind === 'touchpoint') items.sort((one, other) => other.sort - one.sort);
    return { name, head: shares ? `after ${label(before.steps.at(-1))}` : 'of customers', items };
  });
  const show = pick(at, 'Touchpoint or stage', groups, (one) => set(change({ any: one.any, on: one.on, where: [] })), (text) => ({ any: [text], on: on || 'touchpoint' }));
  if (!V.shared && before.steps.length && before.steps.length < MOST_STEPS) request('/api/ask', body(before, { kind: 'next', by: [] })).then(({ ok, value }) => {
    if (!ok || $('#pop').hidden) return;
    shares = Object.fromEntries(value.next.map((one) => [`${one.on}:${one.word}`, one.share])); show();
  }).catch(() => {});
}
function pickExclude(at) {
  const groups = () => [{ name: 'Ends the attempt', items: q.exclude.map((word) => ({ label: word, drop: true, count: 'remove' })) },
    { name: 'Touchpoints', head: 'of customers', items: V.words.filter((one) => one.on === 'touchpoint' && !q.exclude.includes(one.word)).map((one) => ({ label: one.word, share: one.customers / Math.max(1, V.customers), count: NUMBER.format(one.customers) })) }];
  pick(at, 'Touchpoint that ends the attempt', groups, (one) => set((n) => { n.exclude = one.drop ? n.exclude.filter((word) => word !== one.label) : [...n.exclude, one.label]; }));
}
function values(one) { return one.values.map((value) => ({ label: value.value, column: one.column, share: value.customers / Math.max(1, V.customers), count: NUMBER.format(value.customers) })); }
function pickCondition(at, change) {
  const groups = () => [...V.columns.filter((one) => !one.is_number).map((one) => ({ name: one.name, head: 'of customers', items: values(one) })),
    { name: 'Numbers', items: V.columns.filter((one) => one.is_number).map((one) => ({ label: one.name, number: one.column })) }];
  pick(at, 'Value, such as one of a device', groups, (one, not) => one.number ? pickNumber(at, one.number, change) : set(change({ column: one.column, sign: not ? 'is not' : 'is', values: [one.label] })), null, ['Enter is', 'Shift Enter is not', 'Esc back']);
}
function pickNumber(at, name, change) {
  const sign = el('select', { 'aria-label': 'Comparison' }, ...[['>=', 'at least'], ['<=', 'at most'], ['>', 'more than'], ['<', 'less than']].map(([value, text]) => el('option', { value }, text)));
  const number = el('input', { type: 'text', inputmode: 'decimal', 'aria-label': column(name).name });
  const take = () => { if (number.value.trim() && Number.isFinite(Number(number.value))) set(change({ column: name, sign: sign.value, values: [String(Number(number.value))] })); else number.focus(); };
  number.addEventListener('keydown', (e) => { if (e.key === 'Enter') { e.preventDefault(); take(); } });
  const key = at.dataset.key;
  pop(document.querySelector(`[data-key="${CSS.escape(key)}"]`) || at, column(name).name, el('div', { class: 'body' }, el('h3', {}, column(name).name), el('div', { class: 'line' }, sign, number, button('Take', take, { class: 'solid' }))));
  number.focus();
}
function pickBy(at) {
  const groups = () => [{ name: 'Segments', items: V.segments.filter((name) => !q.by.includes(`segment:${name}`)).map((name) => ({ label: name, column: `segment:${name}` })) },
    { name: 'Columns', head: 'values', items: V.columns.filter((one) => !one.is_number && !q.by.includes(one.column)).map((one) => ({ label: one.name, column: one.column, count: String(one.values.length) })) }];
  pick(at, 'Column', groups, (one) => set((n) => n.by.push(one.column)));
}
/* A segment is one of the configuration; a value is a condition of step 1. */
function pickOnly(at) {
  const groups = () => [{ name: 'Segments', items: V.segments.filter((name) => !q.segment.includes(name)).map((name) => ({ label: name, segment: name })) },
    ...(q.steps.length && !V.shared ? V.columns.filter((one) => !one.is_number).map((one) => ({ name: `${one.name} at step 1`, head: 'of customers', items: values(one) })) : [])];
  pick(at, 'Segment or value', groups, (one, not) => set((n) => { if (one.segment) n.segment.push(one.segment); else n.steps[0].where.push({ column: one.column, sign: not ? 'is not' : 'is', values: [one.label] }); }), null, ['Enter is', 'Shift Enter is not', 'Esc back']);
}
const choices = (key, title, all) => (at) => pop(at, title, el('div', { class: 'body', role: 'radiogroup', 'aria-label': title }, el('h3', {}, title),
  ...all.map(([value, text, more]) => el('button', { type: 'button', class: 'choice', role: 'radio', 'aria-checked': String(q[key] === value), on: { click: () => set((n) => { n[key] = value; }) } }, text, el('span', {}, more)))));
function pickWindow(at) {
  const own = el('input', { type: 'text', value: q.window, 'aria-label': 'Another length' });
  own.addEventListener('keydown', (e) => { if (e.key === 'Enter' && own.value.trim()) { e.preventDefault(); const text = own.value.trim(); set((n) => { n.window = text; }); } });
  pop(at, 'Window', el('div', { class: 'body' }, el('h3', {}, 'Time from step 1 to the last step'),
    el('div', { class: 'line quick' }, ...(V.windows || ['30m', '1h', '1d', '7d', '14d', '30d']).map((text) => button(span(text), () => set((n) => { n.window = text; }), { 'aria-pressed': String(q.window === text) }))),
    V.windows ? null : el('div', { class: 'line' }, own, 'a number and a unit: 45m, 12h, 10d')));
}
/* Saved questions. */
const nameOf = () => $('#name').textContent;
const canSave = () => !V.shared && (q.steps.length > 0 || !offers('steps'));
function unread(at, value) { pop(at, 'Saved questions', el('div', { class: 'body', role: 'alert' }, el('h3', {}, value.what), el('p', {}, [value.where, value.found, value.do].filter(Boolean).join(' · ')))); }
function saveAs(at) {
  if (!canSave()) return;
  const own = el('input', { type: 'text', value: nameOf(), 'aria-label': 'Name', maxlength: '120' });
  const take = async (replaces = '') => {
    if (!own.value.trim()) { own.focus(); return; }
    const { ok, value } = await request('/api/questions', JSON.stringify({ name: own.value, state: changed(), said: (last?.said || '').slice(0, 500), data_to: V.data_to, replaces }));
    if (!ok && value.instead?.replaces) { taken(value); return; }
    if (!ok) { unread(at, value); return; }
    shut(); toast('Saved');
  };
  const line = el('div', { class: 'line', role: 'status' }, 'In questions.json beside journeys.toml.');
  const taken = (value) => { const replace = button('Replace it', () => take(value.instead.replaces), { 'data-key': 'replace' });
    line.replaceChildren(`${value.what} ${value.found}`, ' ', replace); replace.focus(); };
  own.addEventListener('keydown', (e) => { if (e.key === 'Enter') { e.preventDefault(); take(); } });
  pop(at, 'Save', el('div', { class: 'body' }, el('h3', {}, 'Save this question'), el('div', { class: 'line wide' }, own, button('Save', () => take(), { class: 'solid' })), line));
  own.select();
}
async function showSaved(at) {
  const { ok, value } = await request('/api/questions');
  if (!ok) { unread(at, value); return; }
  const row = (one) => {
    const line = el('li', {}), open = button(one.name, () => openSaved(one.state), { class: 'choice' });
    open.append(el('span', {}, one.said ? `${one.said}${one.data_to ? ` (data to ${one.data_to})` : ''}` : ''));
    const drop = button('×', async () => {
      const { ok: gone } = await request('/api/questions/drop', JSON.stringify({ name: one.name, state: one.state }));
      if (!gone) { showSaved(at); return; }
      const back = button(`Keep ${one.name}`, async () => { if ((await request('/api/questions', JSON.stringify(one))).ok) { line.replaceWith(row(one)); } });
      line.replaceChildren(el('span', {}, 'Deleted. '), back); back.focus();
    }, { 'aria-label': `Delete ${one.name}` });
    line.append(open, drop);
    return line;
  };
  pop(at, 'Saved questions', el('div', { class: 'body' }, el('h3', {}, 'Saved questions'), value.questions.length ? el('ul', { class: 'saved' }, ...value.questions.map(row)) : el('div', {}, 'None yet. Save keeps the question that is open.')));
}
function openSaved(state) { past.push(JSON.stringify(q)); future = []; history.pushState(null, '', `#${encodeURIComponent(JSON.stringify(state))}`); q = read(); shut(); draw(); ask(); }
/* The rows of the answer, as a file. */
async function takeAlong(form) {
  const answer = await fetch(`/api/rows.${form}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: body(q) });
  if (!answer.ok) { toast((await answer.json()).what); return; }
  handOver(await answer.blob(), nameOf(), form);
}
function handOver(blob, title, form) {
  const address = URL.createObjectURL(blob), name = title.replace(/[^\p{L}\p{N}]+/gu, '_').slice(0, 120) || 'answer';
  el('a', { href: address, download: `${name}.${form}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
function showKeys(at) {
  const keys = [[`1 – ${Object.keys(V.kinds).length}`, Object.values(V.kinds).map((kind) => kind.label).join(', ')], ['↑ ↓ ← →', 'Move in a walk'], ['A', 'Add a step'], ['B', 'Break down'], ['S', 'Only a segment'], ['G', 'Compare a group'], ['W', 'Window'], ['C', 'Copy as Python'], ['Alt ↑ ↓', 'Move the step in focus'], ['Delete', 'Remove the step in focus'], ['Ctrl Z', 'Undo; with Shift redo'], ['Ctrl S', 'Save'], ['?', 'This list'], ['Esc', 'Close']];
  const choice = el('input', { type: 'checkbox', checked: letters, on: { change: (e) => { letters = e.target.checked; } } });
  pop(at, 'Keys', el('div', { class: 'body' }, el('h3', {}, 'Keys'), el('div', { class: 'keylist' }, ...keys.flatMap(([key, text]) => [el('kbd', {}, key), el('span', {}, text)])), el('label', { class: 'line' }, choice, 'Single letters are keys')));
}

/* Asking. */
async function request(path, sent = null, signal = undefined) {
  const answer = await fetch(path, sent === null ? { signal } : { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: sent, signal });
  return { ok: answer.ok, value: await answer.json() };
}
async function ask() {
  const number = ++asked, box = $('#answer');
  running?.abort(); running = new AbortController();
  const slow = setTimeout(() => { if (number === asked) { box.classList.add('old'); $('#reading').textContent = `Reading ${NUMBER.format(V.touches)} touches`; $('#progress').hidden = false; } }, SLOW);
  const done = () => { clearTimeout(slow); if (number === asked) { box.classList.remove('old'); $('#progress').hidden = true; } };
  if (!q.steps.length && offers('steps')) { done(); again = null; within = ''; bars = []; drawBars(); show(q.kind === 'walk' ? begin() : empty()); document.title = 'Explore – Journeys'; return; }
  try {
    const { ok, value } = await request('/api/ask', body(q), running.signal);
    if (number !== asked) return;
    done();
    if (!ok) { show(failed(value)); return; }
    last = value; within = value.within || '';
    if (value.data_to !== V.data_to) { walked.clear(); await load(); }
    bars = value.entered; kept(drawBars);
    again = () => show(value.state === 'nobody' ? nobody() : (ANSWERS[q.kind] || carded)(value));
    again();
    $('#said').textContent = value.said || nothing();
    document.title = value.said || 'Explore – Journeys';
  } catch (error) {
    if (error.name === 'AbortError') { if (number === asked) done(); return; }
    done();
    if (number !== asked) return;
    if (!(error instanceof TypeError || error instanceof SyntaxError)) throw error;
    show(el('div', { class: 'state', role: 'alert' }, el('b', {}, 'The explorer has stopped'), el('p', {}, '`journeys explore` starts it again. The question stays in the address.'), button('Ask again', ask, { class: 'go' })));
  }
}
function show(...children) { kept(() => $('#answer').replaceChildren(...children.flat())); document.body.dataset.answered = String(asked); }
/* A card as a picture: what the browser has laid out, drawn again as shapes and texts; nothing is asked of anybody. */
const SVG = 'http://www.w3.org/2000/svg';
function shape(tag, attributes, text = null) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
  if (text !== null) made.textContent = text;
  return made;
}
const seen = (colour) => !/^(transparent|none|rgba\(.*, 0\))$/.test(colour);
function pictured(box) {
  const { left, top, width, height } = box.getBoundingClientRect(), drawn = shape('svg', { xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}` });
  const faces = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]).filter((rule) => rule instanceof CSSFontFaceRule).map((rule) => rule.cssText).join('');
  drawn.append(shape('title', {}, box.getAttribute('aria-label')));
  const visit = (node) => {
    if (node.nodeType === Node.TEXT_NODE) { lettered(node); return; }
    if (!(node instanceof Element) || node.matches('.forms')) return;
    const style = getComputedStyle(node), place = node.getBoundingClientRect();
    if (style.display === 'none' || style.visibility === 'hidden') return;
    if (node instanceof SVGElement && node.tagName !== 'svg') { const copy = node.cloneNode(false); copy.removeAttribute('class');
      for (const name of ['fill', 'fill-opacity', 'stroke', 'stroke-width', 'opacity']) copy.setAttribute(name, style.getPropertyValue(name));
      const at = node.ownerSVGElement.getBoundingClientRect(); copy.setAttribute('transform', `translate(${at.left - left} ${at.top - top})`); drawn.append(copy); return; }
    boxed(style, place);
    node.childNodes.forEach(visit);
  };
  function boxed(style, place) {
    const x = place.left - left, y = place.top - top, hatched = style.backgroundImage.match(/rgb[^)]*\)/), wide = parseFloat(style.borderTopWidth);
    const even = ['Right', 'Bottom', 'Left'].every((side) => style[`border${side}Width`] === style.borderTopWidth) && wide > 0 && seen(style.borderTopColor);
    const fill = seen(style.backgroundColor) ? style.backgroundColor : hatched ? hatched[0] : 'none';
    if (place.width && place.height && (fill !== 'none' || even)) drawn.append(shape('rect', { x: x + (even ? wide / 2 : 0), y: y + (even ? wide / 2 : 0), width: Math.max(0, place.width - (even ? wide : 0)), height: Math.max(0, place.height - (even ? wide : 0)),
      rx: Math.min(parseFloat(style.borderTopLeftRadius) * (style.borderTopLeftRadius.endsWith('%') ? place.width / 100 : 1), place.height / 2), fill, opacity: style.opacity === '1' ? null : style.opacity, stroke: even ? style.borderTopColor : null, 'stroke-width': even ? wide : null, 'stroke-dasharray': even && style.borderTopStyle === 'dashed' ? '3 2' : null, 'fill-opacity': !seen(style.backgroundColor) && hatched ? 0.5 : null }));
    if (even) return;
    for (const [side, x1, y1, x2, y2] of [['Top', 0, 0, 1, 0], ['Bottom', 0, 1, 1, 1], ['Left', 0, 0, 0, 1], ['Right', 1, 0, 1, 1]]) {
      const thick = parseFloat(style[`border${side}Width`]);
      if (thick && seen(style[`border${side}Color`])) drawn.append(shape('line', { x1: x + x1 * place.width, y1: y + y1 * place.height, x2: x + x2 * place.width, y2: y + y2 * place.height, stroke: style[`border${side}Color`], 'stroke-width': thick, 'stroke-dasharray': style[`border${side}Style`] === 'dashed' ? '3 2' : null }));
    }
  }
  function lettered(node) {
    const within = node.parentElement, style = getComputedStyle(within), ends = /right|end/.test(style.textAlign), lines = [];
    const cut = style.textOverflow === 'ellipsis' && within.scrollWidth > within.clientWidth ? within.clientWidth / within.scrollWidth : 1;
    for (const { 0: word, index } of node.data.matchAll(/\S+/g)) {
      const range = document.createRange(); range.setStart(node, index); range.setEnd(node, index + word.length);
      const place = range.getBoundingClientRect(), line = lines.at(-1);
      if (!place.width) continue;
      if (line && Math.abs(line.top - place.top) < 2) { line.text += ` ${word}`; line.right = place.right; } else lines.push({ text: word, top: place.top, left: place.left, right: place.right, middle: (place.top + place.bottom) / 2 });
    }
    if (cut < 1 && lines.length) lines[0].text = `${lines[0].text.slice(0, Math.max(1, Math.floor(lines[0].text.length * cut) - 2))}…`;
    for (const line of lines) drawn.append(shape('text', { x: (ends ? line.right : line.left) - left, 'text-anchor': ends ? 'end' : null, y: line.middle - top, 'dominant-baseline': 'central', fill: style.color, 'font-family': style.fontFamily, 'font-size': style.fontSize, 'font-weight': style.fontWeight, 'font-variant': style.fontVariantNumeric }, line.text));
  }
  visit(box);
  /* The typeface goes in as text: the policy of the page allows no other style, not even in a picture that is not shown. */
  const text = new XMLSerializer().serializeToString(drawn).replace('</title>', () => `</title><style><![CDATA[${faces}]]></style>`);
  return { text, width, height };
}
async function savePicture(box, form) {
  const { text, width, height } = pictured(box), name = `${nameOf()}_${box.getAttribute('aria-label')}`;
  if (form === 'svg') { handOver(new Blob([text], { type: 'image/svg+xml' }), name, form); return; }
  const image = new Image(), canvas = el('canvas', { width: 2 * width, height: 2 * height });
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await image.decode();
  canvas.getContext('2d').drawImage(image, 0, 0, 2 * width, 2 * height);
  canvas.toBlob((blob) => handOver(blob, name, form), 'image/png');
}
function charted(title, sub, ...children) {
  const made = card(title, sub, ...children);
  made.querySelector('h2').after(el('div', { class: 'forms' }, ...[['png', 'PNG'], ['svg', 'SVG']].map(([form, text]) => button(text, () => savePicture(made, form), { 'data-key': `${form}-${title}`, 'aria-label': `${title} as ${text}` }))));
  return made;
}
const card = (title, sub, ...children) => el('div', { class: 'card', role: 'region', 'aria-label': title }, el('h2', {}, title), sub ? el('p', { class: 'sub' }, sub) : null, ...children);

/* States. */
const size = () => V.touches ? `${NUMBER.format(V.customers)} customers, ${NUMBER.format(V.touches)} touches, up to ${V.data_to}.` : 'There are no touches yet: land events, then run journeys stitch.';
function empty() {
  const most = V.words.filter((one) => one.on === 'touchpoint').sort((one, other) => other.customers - one.customers);
  const steps = (...words) => words.map((one) => ({ any: [one.word], on: one.on, where: [] }));
  const starts = [];
  if (V.stages.length > 1) starts.push([`${V.stages[0].word} to ${V.stages.at(-1).word}, by stage`, (n) => { n.steps = steps(...V.stages); n.window = '30d'; }]);
  if (most.length > 1) starts.push([`${most[0].word} to ${most[1].word}`, (n) => { n.steps = steps(most[0], most[1]); }]);
  const first = V.columns.find((one) => one.values.length > 1);
  if (most.length > 1 && first) starts.push([`${most[0].word} to ${most[1].word}, by ${first.name.toLowerCase()}`, (n) => { n.steps = steps(most[0], most[1]); n.by = [first.column]; }]);
  return el('div', { class: 'state' }, el('b', {}, 'Ask how customers get from one point to another'), el('p', {}, `Add a step, or begin with one of these. ${size()}`), ...starts.map(([text, change]) => button(text, () => set(change), { class: 'go' })));
}
const nothing = () => V.shared ? `Fewer than ${V.k} enter this funnel` : offers('steps') ? 'Nobody enters this funnel' : 'No journey begins here';
const nobody = () => el('div', { class: 'state' }, el('b', {}, nothing()), el('p', {}, offers('steps') ? 'No touch is step 1 in this period and segment.' : 'There is none in this period and segment.'),
  q.start || q.end ? button('All weeks', () => set((n) => { n.start = ''; n.end = ''; }), { class: 'go' }) : null,
  q.segment.length || entry().length ? button('Everyone', () => set((n) => { n.segment = []; if (n.steps.length) n.steps[0].where = []; }), { class: 'go' }) : null,
  button('Undo', undo, { class: 'go', disabled: !past.length }));
function failed(error) {
  const facts = ['where', 'expected', 'found', 'do'].filter((name) => error[name]).flatMap((name) => [el('dt', {}, name), el('dd', {}, error[name])]);
  const takes = Object.entries(error.instead || {}).map(([wrong, right]) => button(`Take “${right}”`, () => set((n) => n.steps.forEach((step) => { step.any = step.any.map((word) => word === wrong ? right : word); })), { class: 'go' }));
  return el('div', { class: 'state', role: 'alert' }, el('b', {}, error.what), el('dl', {}, ...facts), ...takes, button('Undo', undo, { class: 'go', disabled: !past.length }));
}

/* The answer. */
const entry = () => offers('steps') && q.steps.length ? q.steps[0].where : [];
function lead(value, few) {
  const only = [...(offers('only') ? q.segment : []), ...entry().map(condition)];
  return [el('div', { class: 'lead' }, el('h1', {}, value.said), ...(value.lines.length ? [el('p', {}, value.lines.join(' '))] : []),
    el('p', { class: 'small' }, `${only.length ? `Only ${only.join(', ')} · ` : ''}${offers('entered') ? `${kindOf(q.kind).dated} ${value.period || $('#range').textContent} · ` : ''}${value.milliseconds} ms`)),
    ...(value.few ? [el('div', { class: 'strip' }, el('b', {}, 'Too few for a rate'), el('span', {}, few))] : [])];
}
function answered(value) {
  const parts = lead(value, `Fewer than ${V.least} enter. A report would not show this share; here it is drawn with its interval.`);
  parts.push(stepsCard(value.steps));
  if (value.groups) parts.push(groupsCard(value.groups));
  parts.push(el('div', { class: 'pair' }, leftOutCard(value.left_out), copyCard(value.elsewhere)));
  parts.push(value.groups ? groupsTable(value.groups) : stepsTable(value.steps));
  return parts;
}
/* A walk: what came before the steps, and what came after each of them. */
function begin() {
  const most = V.words.filter((one) => one.on === 'touchpoint').sort((one, other) => other.customers - one.customers).slice(0, MOST_STARTS);
  if (!most.length) return empty();
  const rows = most.map((one) => ({ ...one, share: one.customers / Math.max(1, V.customers), text: percent(one.customers / Math.max(1, V.customers)), count: NUMBER.format(one.customers) }));
  return [el('div', { class: 'lead' }, el('h1', {}, 'Choose where to begin'), el('p', {}, `${size()} Or add a step.`)),
    card('Touchpoints', 'Share of all customers who ever have it. Choose one to see what came before and after.', el('div', { class: 'cols start' }, walkColumn('Begin with', `of ${NUMBER.format(V.customers)} customers`, rows, 'start', (one) => (n) => { n.steps = [stepOf(one)]; })))];
}
const stepOf = (one) => ({ any: [one.word], on: one.on, where: [] });
const walkKey = (steps) => body({ ...q, kind: 'walk', steps });
function walkAnswer(value) {
  walked.set(walkKey(q.steps), value);
  const holder = el('div', { class: 'cols' });
  fillColumns(holder, value);
  const directly = q.order === 'strict' ? ' directly' : '';
  const shown = [...value.before, ...value.next].some((row) => row.is_small) ? ` ${SMALL} fewer than ${V.k}: a report withholds it.` : '';
  const sub = `Choose a touchpoint to narrow: after, to go on; before, to begin earlier. Up to 12 that come${directly} next most often; + Add a step has all. ${q.count === 'customers' ? 'A customer counts once with each, so shares can add up to more than 100\u202f%.' : ''}${shown}`;
  const last = label(q.steps.at(-1));
  return [...lead(value, `Fewer than ${V.least} get to ${last}. A report would not show these shares.`), card('From touch to touch', sub, holder),
    el('div', { class: 'pair' }, leftOutCard(value.left_out), copyCard(value.elsewhere)),
    table([`after ${last}`, UNITS[q.count], 'share', '95 %', 'median wait'], value.next.map((row) => [[row.word], [row.count + (row.is_small ? ` ${SMALL}` : '')], [row.text], [row.interval, 'quiet'], [row.wait]]), [3])];
}
function fillColumns(holder, value) {
  const asking = asked, steps = q.steps, from = Math.max(0, steps.length - MOST_COLUMNS), room = steps.length < MOST_STEPS;
  const first = walkColumn(`Before ${label(steps[0])}`, `of ${UNITS[q.count]} with a touch before`, value.before, 'before', room ? (row) => (n) => { n.steps.unshift(stepOf(row)); } : null);
  const after = steps.slice(from).map((step, place) => {
    const at = from + place, isLast = at === steps.length - 1, key = walkKey(steps.slice(0, at + 1)), known = isLast ? value : walked.get(key);
    if (!isLast && !walked.has(key)) {
      walked.set(key, null);
      request('/api/ask', key, running.signal).then(({ ok, value: found }) => {
        walked.set(key, ok ? found : { next: [], head: found.what });
      }).catch((error) => {
        if (error.name === 'AbortError') walked.delete(key); else walked.set(key, { next: [], head: 'This could not be read' });
      }).then(() => { if (asking === asked) kept(() => fillColumns(holder, value)); });
    }
    const head = !known ? 'Reading' : known.head || `of ${NUMBER.format(known.here)} ${UNITS[q.count]}`;
    return walkColumn(`After ${label(step)}`, head, known ? known.next : [], String(at), isLast && !room ? null : (row) => (n) => { const same = !isLast && holds(n.steps[at + 1], row); n.steps = [...n.steps.slice(0, at + 1), same ? n.steps[at + 1] : stepOf(row)]; },
      isLast ? null : steps[at + 1], known?.done, isLast);
  });
  holder.replaceChildren(first, ...after);
}
const holds = (step, row) => step.on === row.on && step.any.includes(row.word);
function walkColumn(title, head, rows, key, change, chosen = null, done = null, isLast = false) {
  const hops = rows.map((row, at) => {
    const inside = [el('span', {}, row.word), el('b', {}, (row.text || '–') + (row.is_small ? ` ${SMALL}` : '')), el('i', { css: { '--w': `${100 * (row.share || 0)}%` } })];
    const title = `${row.count} ${key === 'start' ? 'customers' : UNITS[q.count]}`;
    if (!change) return el('div', { class: 'hop', title }, ...inside);
    return el('button', { type: 'button', class: 'hop', title, 'data-key': `hop-${key}-${row.word}`, 'data-hop': true, tabindex: at ? '-1' : '0', 'aria-pressed': chosen ? String(holds(chosen, row)) : null, on: { click: () => set(change(row)) } }, ...inside);
  });
  const rest = done && done.share !== null ? el('div', { class: 'hop done' }, el('span', {}, 'no more touch'), el('b', {}, done.text), el('i', { css: { '--w': `${100 * done.share}%` } })) : null;
  const nothing = rows.length || (!done && key !== 'before') ? null : el('p', { class: 'sub' }, 'No touch');
  return el('div', { class: isLast ? 'col last' : key === 'before' || key === 'start' ? 'col' : 'col hidesmall', role: 'group', 'aria-label': title }, el('h3', {}, title), el('p', { class: 'sub' }, head), nothing, ...hops, rest);
}
$('#answer').addEventListener('keydown', (e) => {
  const here = e.target.closest?.('[data-hop]');
  if (!here || e.altKey || !/^Arrow/.test(e.key)) return;
  const column = here.parentElement, all = [...column.querySelectorAll('[data-hop]')], at = all.indexOf(here);
  const beside = { ArrowLeft: column.previousElementSibling, ArrowRight: column.nextElementSibling }[e.key]?.querySelectorAll('[data-hop]');
  const to = beside ? beside[Math.min(at, beside.length - 1)] : all[at + ({ ArrowDown: 1, ArrowUp: -1 }[e.key] || 0)];
  if (to) { e.preventDefault(); to.focus(); }
});
const part = (role, children, attributes = {}) => el('div', { role, ...attributes }, ...children);
const SMALL = '○';
function stepsCard(steps) {
  const cell = (text, name = '') => part('cell', [text], { class: name });
  const rows = steps.map((step, at) => {
    const before = at ? steps[at - 1].share : 1, wide = step.share > 0.3, room = before - step.share > (wide ? 0.2 : 0.5);
    const track = part('cell', [at && step.lost ? el('span', { class: 'gone', css: { left: `${100 * step.share}%`, width: `${Math.max(0, 100 * (before - step.share))}%` } }, room ? el('span', {}, `−${step.lost}`) : '') : null,
      el('span', { class: 'fill', css: { width: `${100 * step.share}%` } }),
      at && step.low !== null ? el('span', { class: 'whisker', css: { left: `${100 * step.low}%`, width: `${Math.max(0.4, 100 * (step.high - step.low))}%` } }) : null,
      el('span', { class: wide ? 'label in' : 'label', css: { left: wide ? '0' : `${100 * Math.max(step.share, step.high || 0)}%` } }, step.of_entered)].filter(Boolean), { class: 'track' });
    return part('row', [part('rowheader', [el('b', {}, step.name)]), track, cell(step.reached + (step.is_small ? ` ${SMALL}` : ''), 'num'),
      cell(at ? step.of_previous : '', step.is_weakest ? 'bad' : 'num'), cell(at ? step.of_previous_interval : '', 'quiet'), cell(at ? step.median : '')], { class: 'row' });
  });
  const head = part('row', ['step', 'share of those who enter', UNITS[q.count], 'go on', '95 %', 'median wait'].map((text) => part('columnheader', [text])), { class: 'row head' });
  const small = steps.some((step) => step.is_small) ? ` ${SMALL} fewer than ${V.k}: a report withholds it.` : '';
  return charted('Step by step', `Filled: share of those who enter, with its 95 % interval. Outlined: lost since the step before.${small}`, part('table', [head, ...rows], { 'aria-label': 'Step by step' }));
}
function groupsCard(groups) {
  const columns = groups.steps.map((step, at) => ({ ...step, at })).slice(-4);
  const scales = columns.map(({ share, at }) => {
    const shown = groups.rows.map((row) => row.steps[at]).filter((step) => step.is_enough && step.low !== null);
    const reach = Math.max(0.02, ...shown.flatMap((step) => [Math.abs(step.low - share), Math.abs(step.high - share)])) * 1.05;
    const low = Math.max(0, share - reach), high = Math.min(1, share + reach);
    return (number) => Math.min(100, Math.max(0, 100 * (number - low) / (high - low || 1)));
  });
  const name = (number) => number === columns.length - 1 ? '' : 'hidesmall';
  const head = el('tr', {}, el('th', { scope: 'col' }, groups.label), el('th', { scope: 'col' }, UNITS[q.count]),
    ...columns.flatMap((step, number) => [el('th', { scope: 'col', class: `plot ${name(number)}` }, `→ ${step.name}`), el('th', { scope: 'col', class: name(number) }, `all ${step.text}`)]));
  const rows = groups.rows.map((row) => el('tr', {}, el('th', { scope: 'row' }, row.name), el('td', {}, row.entered), ...columns.flatMap(({ share, at }, number) => {
    const step = row.steps[at], scale = scales[number];
    if (!step.is_enough || step.share === null) return [el('td', { class: `plot ${name(number)}` }), el('td', { class: `quiet ${name(number)}` }, step.share === null ? (V.shared ? `<${V.k}` : 'nobody here') : 'too few')];
    const kind = step.clear > 0 ? 'up' : step.clear < 0 ? 'down' : 'same';
    const dots = el('div', { class: 'dots', title: `${step.text} (${step.interval})` }, el('span', { class: 'all', css: { left: `${scale(share)}%` } }),
      el('span', { class: 'range', css: { left: `${scale(step.low)}%`, width: `${scale(step.high) - scale(step.low)}%` } }),
      el('span', { class: `mark ${kind}`, role: 'img', 'aria-label': { up: 'clearly more', down: 'clearly fewer', same: 'not clear' }[kind], css: { left: `${scale(step.share)}%` } }, { up: '▲', down: '▼', same: '' }[kind]));
    return [el('td', { class: `plot ${name(number)}` }, dots), el('td', { class: `${step.clear ? 'num' : ''} ${name(number)}` }, step.text)];
  })));
  const few = groups.few ? ` ${groups.few} not shown: of fewer than ${groups.least}, or beyond the largest.` : '';
  return charted(groups.title, `Share that goes on from the step before, by ${groups.label.toLowerCase()} at entry. ▲ ▼ clearly different from everybody else (5 %, adjusted), ring not clear. Dashed: all.${few}`,
    groups.rows.length ? el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Groups' }, el('table', { class: 'groups' }, el('thead', {}, head), el('tbody', {}, ...rows))) : null);
}
function leftOutCard(rows, unit = UNITS[q.count]) {
  const shown = rows.filter((row, at) => at === 0 || row.kind !== 'out' || row.count);
  const bar = el('div', { class: 'sumbar', 'aria-hidden': 'true' }, ...rows.slice(1).map((row) => el('i', { class: row.kind, css: { flex: String(row.count) } })));
  return card('Who was left out', `In ${unit}, down to the rates above.`, bar, el('dl', { class: 'sum' }, ...shown.flatMap((row) => [el('dt', { class: row.kind }, (row.kind === 'out' || row.kind === 'open') && row.count ? `−${row.text}` : row.text), el('dd', { class: row.kind }, row.what)])));
}
function copyCard(written) {
  const code = el('pre', { tabindex: '0', 'data-key': 'code' });
  const all = [['python', 'Python'], ['command', 'Command'], ['toml', 'journeys.toml']].filter(([name]) => written[name]);
  const tabs = all.map(([name, text]) => button(text, () => choose(name), { role: 'tab', 'data-key': `tab-${name}` }));
  function choose(name) { tab = name; code.textContent = written[name]; tabs.forEach((one, at) => { const is = all[at][0] === name; one.setAttribute('aria-selected', String(is)); one.tabIndex = is ? 0 : -1; }); }
  const list = el('div', { role: 'tablist', 'aria-label': 'Form' }, ...tabs);
  list.addEventListener('keydown', (e) => { const to = tabs[tabs.indexOf(document.activeElement) + ({ ArrowRight: 1, ArrowLeft: -1 }[e.key] || 0)]; if (to && to !== document.activeElement) { to.click(); to.focus(); } });
  choose(written[tab] ? tab : all[0][0]);
  return card('The same question elsewhere', '', el('div', { class: 'tabs' }, list, button('Copy', () => copy(written[tab]), { class: 'copy', 'data-key': 'copy' }), button('Link', () => copy(location.href), { class: 'copy', 'data-key': 'link', 'aria-label': 'Copy a link to this question' })), code);
}
async function copy(text) {
  let said = 'Copied';
  try { await navigator.clipboard.writeText(text); } catch { said = 'The browser does not allow copying: select the text'; }
  toast(said);
}
function toast(said) {
  $('#said').textContent = said; $('#toast').textContent = said; $('#toast').hidden = false;
  setTimeout(() => { $('#toast').hidden = true; }, 1600);
}
function table(heads, rows, small) {
  const hidden = (at) => small.includes(at) ? 'hidesmall' : null;
  const forms = el('div', { class: 'forms' }, ...[['csv', 'CSV'], ['parquet', 'Parquet']].map(([form, text]) => button(text, () => takeAlong(form), { 'data-key': `rows-${form}`, 'aria-label': `All rows as ${text}` })));
  return card('Table', '', forms, el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Table' }, el('table', {}, el('thead', {}, el('tr', {}, ...heads.map((text, at) => el('th', { scope: 'col', class: hidden(at) }, text)))),
    el('tbody', {}, ...rows.map((cells) => el('tr', {}, ...cells.map((cell, at) => at ? el('td', { class: [hidden(at), cell[1]].filter(Boolean).join(' ') || null }, cell[0] ?? '') : el('th', { scope: 'row' }, cell[0]))))))));
}
const stepsTable = (steps) => table(['step', UNITS[q.count], 'open', 'of all', '95 %', 'of the step before', '95 %', 'median wait', '9 in 10 within'],
  steps.map((step, at) => [[step.name], [step.reached], [step.open, 'quiet'], [step.of_entered], [at ? step.of_entered_interval : '', 'quiet'], [at ? step.of_previous : ''], [at ? step.of_previous_interval : '', 'quiet'], [at ? step.median : ''], [at ? step.p90 : '', 'quiet']]), [2, 4, 6, 7, 8]);
const groupsTable = (groups) => table([groups.label, 'entered', 'reached the last step', 'share', '95 %', 'against everybody else', '95 %'],
  groups.rows.map((row) => [[row.name], [row.entered], [row.reached], [row.of_entered], [row.of_entered_interval, 'quiet'], [row.difference, row.clear > 0 ? 'good' : row.clear < 0 ? 'bad' : ''], [row.difference_interval, 'quiet']]), [2, 4, 6]);

/* Cards that any kind of answer can have. */
const DRAWN = { time: timeCard, grid: gridCard, ranges: rangesCard, bands: bandsCard, table: ({ heads, rows, hidden }) => table(heads, rows, hidden) };
function carded(value) {
  const parts = lead(value, `Fewer than ${V.least} are known. A report would not show this share.`), cards = value.cards.map((one) => [one.draw, DRAWN[one.draw](one)]);
  return [...parts, ...cards.filter(([draw]) => draw !== 'table').map(([, made]) => made),
    el('div', { class: 'pair' }, value.left_out ? leftOutCard(value.left_out, value.unit) : null, copyCard(value.elsewhere)), ...cards.filter(([draw]) => draw === 'table').map(([, made]) => made)];
}
function timeCard({ title, sub, points, usual }) {
  const highs = points.filter((one) => one.share !== null).map((one) => one.high ?? one.share), top = Math.min(1, Math.max(0.05, usual || 0, ...highs) * 1.1);
  const at = (share) => `${100 * share / top}%`, step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.25].find((one) => top / one <= 5) || 0.25;
  const lines = Array.from({ length: Math.floor(top / step + 1e-9) + 1 }, (_, number) => el('span', { class: 'level', css: { bottom: at(number * step) } }, percent(number * step)));
  const every = Math.ceil(points.length / 10);
  const marks = points.map((one, place) => el('div', { class: one.is_open ? 'when open' : 'when', title: one.said },
    one.share === null ? null : el('span', { class: 'range', css: { bottom: at(one.low), height: at(one.high - one.low) } }),
    one.share === null ? null : el('span', { class: `mark ${one.clear > 0 ? 'up' : one.clear < 0 ? 'down' : 'plain'}`, css: { bottom: at(one.share) } }, one.clear > 0 ? '▲' : one.clear < 0 ? '▼' : ''),
    one.clear && one.share !== null ? el('b', { class: one.clear > 0 ? 'good' : 'bad', css: { bottom: at(one.high) } }, one.text) : null,
    place % every ? null : el('span', { class: place % (2 * every) ? 'at hidesmall' : 'at' }, one.label)));
  const plot = el('div', { class: 'overtime', role: 'img', 'aria-label': `${title}: ${points.filter((one) => one.share !== null).map((one) => one.said).join('; ')}` }, ...lines,
    usual === null ? null : el('span', { class: 'usual', css: { bottom: at(usual) } }), el('div', { class: 'whens' }, ...marks));
  return charted(title, sub, plot);
}
function gridCard({ title, sub, heads, rows }) {
  const most = Math.max(0.01, ...rows.flatMap((row) => row.cells.filter((cell) => cell && cell.share !== null).map((cell) => cell.share)));
  const cell = (one) => el('td', { class: one ? `heat h${one.share === null ? 0 : Math.min(5, 1 + Math.floor(5 * one.share / most))}` : null, title: one?.said }, one ? one.text : '');
  return charted(title, sub, el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': title }, el('table', { class: 'gridded' },
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, ''), el('th', { scope: 'col' }, 'customers'), ...heads.map((text) => el('th', { scope: 'col' }, text)))),
    el('tbody', {}, ...rows.map((row) => el('tr', {}, el('th', { scope: 'row' }, row.name), el('td', {}, row.size), ...row.cells.map(cell)))))));
}

function rangesCard({ title, sub, heads, rows, span: [low, high], usual, hidden }) {
  const at = (number) => `${Math.min(100, Math.max(0, 100 * (number - low) / (high - low || 1)))}%`, small = (place) => hidden.includes(place) ? 'hidesmall' : null;
  const marks = { up: ['▲', 'clearly more'], down: ['▼', 'clearly less'], same: ['', 'not clear'], plain: ['', ''] };
  const body = rows.map((row) => {
    const kind = row.clear > 0 ? 'up' : row.clear < 0 ? 'down' : row.clear === 0 ? 'same' : 'plain', [sign, words] = marks[kind];
    const dots = row.at === null ? null : el('div', { class: 'dots', title: row.said }, usual === null ? null : el('span', { class: 'all', css: { left: at(usual) } }),
      row.low === null ? null : el('span', { class: 'range', css: { left: at(row.low), width: `calc(${at(row.high)} - ${at(row.low)})` } }),
      row.other === null ? null : el('span', { class: 'range', css: { left: at(Math.min(row.at, row.other)), width: `calc(${at(Math.max(row.at, row.other))} - ${at(Math.min(row.at, row.other))})` } }),
      row.other === null ? null : el('span', { class: 'mark same', css: { left: at(row.other) } }),
      el('span', { class: `mark ${kind}`, role: words ? 'img' : null, 'aria-label': words || null, css: { left: at(row.at) } }, sign));
    return el('tr', {}, el('th', { scope: 'row' }, row.name), el('td', { class: 'plot' }, dots), ...row.texts.map((text, place) => el('td', { class: [small(place), place ? 'quiet' : 'num'].filter(Boolean).join(' ') }, text)));
  });
  return charted(title, sub, rows.length ? el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': title }, el('table', { class: 'groups ranged' },
    el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, heads[0]), el('th', { class: 'plot', 'aria-hidden': 'true' }), ...heads.slice(1).map((text, place) => el('th', { scope: 'col', class: small(place) }, text)))), el('tbody', {}, ...body))) : el('p', { class: 'sub' }, 'Too few to show any.'));
}
/* What follows what: bars of a position stand on one another, bands between them are as thick as what goes that way. */
function bandsCard({ title, sub, heads, nodes, links }) {
  const NAME = 20, GAP = 10, TALL = 300, BAR = 8, STUB = 14, box = getComputedStyle($('#answer'));
  const width = Math.max(280, $('#answer').clientWidth - parseFloat(box.paddingLeft) - parseFloat(box.paddingRight) - (innerWidth <= PHONE ? 30 : 42));
  const held = innerWidth <= PHONE ? Math.min(PHONE_POSITIONS, heads.length) : heads.length, room = width / held, places = new Map();
  const bottoms = Array.from({ length: held }, () => 24);
  const shown = nodes.filter((node) => node.position < held);
  for (const node of shown) {
    const tall = Math.max(2, TALL * node.share), y = bottoms[node.position] + NAME;
    places.set(`${node.position} ${node.key}`, { x: room * node.position, y, tall, out: 0, in: 0, order: y });
    bottoms[node.position] = y + tall + GAP;
  }
  const between = links.map((link) => ({ ...link, from: places.get(`${link.position} ${link.source}`), to: places.get(`${link.position + 1} ${link.target}`) })).filter((link) => link.from && link.to);
  const drawing = (tag, attributes) => { const made = document.createElementNS('http://www.w3.org/2000/svg', tag); for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value); return made; };
  const height = Math.max(...bottoms), svg = drawing('svg', { width, height, viewBox: `0 0 ${width} ${height}`, 'aria-hidden': 'true' });
  between.sort((one, other) => one.from.order - other.from.order || one.to.order - other.to.order).forEach((link) => { link.y1 = link.from.y + link.from.out; link.from.out += TALL * link.share; });
  between.sort((one, other) => one.to.order - other.to.order || one.from.order - other.from.order).forEach((link) => { link.y2 = link.to.y + link.to.in; link.to.in += TALL * link.share; });
  for (const { from, to, y1, y2, share } of between) {
    const thick = TALL * share, x1 = from.x + BAR, x2 = to.x, half = (x1 + x2) / 2;
    svg.append(drawing('path', { class: 'band', d: `M${x1} ${y1}C${half} ${y1} ${half} ${y2} ${x2} ${y2}V${y2 + thick}C${half} ${y2 + thick} ${half} ${y1 + thick} ${x1} ${y1 + thick}Z` }));
  }
  for (const node of shown) {
    const { x, y, tall } = places.get(`${node.position} ${node.key}`), left = TALL * node.left;
    if (left) svg.append(drawing('rect', { class: 'stub', x: x + BAR, y: y + tall - Math.min(tall, left), width: STUB, height: Math.max(1, Math.min(tall, left)) }));
    svg.append(drawing('rect', { class: `node ${node.kind}`, x, y, width: BAR, height: tall, rx: 1 }));
  }
  const columns = Array.from({ length: held }, (_, position) => el('div', { role: 'group', 'aria-label': heads[position] }, el('span', { class: 'when', css: { left: `${room * position}px` } }, heads[position]),
    ...shown.filter((node) => node.position === position).map((node) => {
      const { x, y } = places.get(`${position} ${node.key}`), inside = [el('span', {}, node.name), el('em', {}, node.text)];
      const attributes = { class: 'of', title: node.said, css: { left: `${x}px`, top: `${y - NAME}px`, 'max-width': `${room - 8}px` } };
      return node.word && !(position === 0 && shown.filter((one) => !one.position).length === 1) ? el('button', { type: 'button', ...attributes, 'data-key': `node-${position}-${node.key}`, on: { click: () => set((n) => { n.steps = [stepOf(node.word)]; }) } }, ...inside) : el('span', attributes, ...inside);
    })));
  return charted(title, sub, el('div', { class: 'flow', css: { height: `${height}px` } }, svg, ...columns));
}

const ANSWERS = { walk: walkAnswer, funnel: answered };

/* The frame. */
function theme(dark) { document.documentElement.dataset.theme = dark ? 'dark' : 'light'; $('#theme').setAttribute('aria-pressed', String(dark)); }
$('#undo').addEventListener('click', undo);
$('#redo').addEventListener('click', redo);
$('#saved').addEventListener('click', (e) => showSaved(e.currentTarget));
$('#save').addEventListener('click', (e) => saveAs(e.currentTarget));
$('#keys').addEventListener('click', (e) => showKeys(e.currentTarget));
$('#theme').addEventListener('click', () => theme(document.documentElement.dataset.theme !== 'dark'));
$('#add').addEventListener('click', (e) => pickWord(e.currentTarget, q.steps.length, (one) => (n) => n.steps.push(one)));
$('#edit').addEventListener('click', () => { document.body.classList.add('asking'); $('#close').focus(); });
$('#close').addEventListener('click', () => { document.body.classList.remove('asking'); $('#edit').focus(); });
$('#cancel').addEventListener('click', () => { asked += 1; running?.abort(); $('#answer').classList.remove('old'); $('#progress').hidden = true; if (past.length) undo(); });
addEventListener('resize', () => { if (again && $('.flow')) again(); });
addEventListener('popstate', () => { q = read(); shut(); draw(); ask(); });
addEventListener('mousedown', (e) => { if (!$('#pop').hidden && !e.target.closest('#pop')) { $('#pop').hidden = true; $('#pop').replaceChildren(); } });
addEventListener('keydown', (e) => {
  if (e.key === 'Escape') { if ($('#pop').hidden) document.body.classList.remove('asking'); shut(); return; }
  if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 'z' && !e.target.matches('input')) { e.preventDefault(); (e.shiftKey ? redo : undo)(); return; }
  if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === 's' && V) { e.preventDefault(); saveAs($('#save')); return; }
  if (!V || e.target.matches('input,select,textarea')) return;
  const at = Number(e.target.closest?.('[data-step]')?.dataset.step ?? -1);
  if (at >= 0 && e.altKey && (e.key === 'ArrowUp' || e.key === 'ArrowDown')) { e.preventDefault(); move(at, e.key === 'ArrowUp' ? -1 : 1); return; }
  if (at >= 0 && e.key === 'Delete') { set((n) => n.steps.splice(at, 1)); $('#add').focus(); return; }
  if (!letters || e.ctrlKey || e.metaKey || e.altKey || !$('#pop').hidden) return;
  const act = { a: () => { if (offers('steps')) $('#add').click(); }, b: () => { const at2 = document.querySelector('[data-key="by"]'); if (at2 && offers('by')) pickBy(at2); }, s: () => offers('only') && pickOnly(document.querySelector('[data-key="only"]')), g: () => { const at2 = document.querySelector('[data-key="group"]'); if (at2 && offers('groups')) pickGroup(at2); }, w: () => { const at2 = document.querySelector('[data-key="window"]'); if (at2) pickWindow(at2); }, c: () => { if (last?.elsewhere?.python && (q.steps.length || !offers('steps'))) copy(last.elsewhere.python); }, '?': () => showKeys($('#keys')) }[e.key];
  const kind = Object.keys(V.kinds)[Number(e.key) - 1];
  if (kind) ofKind(kind);
  if (act) { e.preventDefault(); act(); }
});
async function load() {
  const { ok, value } = await request('/api/vocabulary');
  if (!ok) { show(el('div', { class: 'state', role: 'alert' }, el('b', {}, value.what), el('p', {}, value.do || value.found || ''))); return false; }
  V = value;
  $('#save').hidden = $('#saved').hidden = Boolean(V.shared);
  $('#data').textContent = V.data_to ? `Data to ${V.data_to}` : '';
  return true;
}
(async () => {
  theme(matchMedia('(prefers-color-scheme: dark)').matches);
  try { if (!await load()) return; } catch { show(el('div', { class: 'state', role: 'alert' }, el('b', {}, 'The explorer has stopped'), el('p', {}, '`journeys explore` starts it again.'))); return; }
  q = read(); draw(); ask();
})();
})();
