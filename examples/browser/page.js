// The page: sliders, a text field, and a comparison of every answer with Python's.

const $ = (id) => document.getElementById(id);
const twoDigits = (x) => (Math.abs(x) < 0.005 ? 0 : x).toFixed(2);
const percent = (p) => `${(100 * p).toFixed(p < 0.1 ? 2 : 1)} %`;
const [facts, fraud, voice] = await Promise.all([
  fetch("facts.json").then((answer) => answer.json()),
  import("./fraud.js"),
  import("./voice.js"),
]);

async function bytesOf(name) {
  return (await (await fetch(name)).arrayBuffer()).byteLength;
}

/** The median time of a call in microseconds, from batches long enough for the browser's clock. */
async function microseconds(call, batch) {
  const times = [];
  for (let round = 0; round < 15; round++) {
    const start = performance.now();
    for (let i = 0; i < batch; i++) await call(i);
    times.push((1000 * (performance.now() - start)) / batch);
  }
  return times.sort((a, b) => a - b)[7];
}

/** The same for calls that need not be waited for. */
function microsecondsAtOnce(call, batch) {
  const times = [];
  for (let round = 0; round < 15; round++) {
    const start = performance.now();
    for (let i = 0; i < batch; i++) call(i);
    times.push((1000 * (performance.now() - start)) / batch);
  }
  return times.sort((a, b) => a - b)[7];
}

function addRow(table, name, bytes, time, difference) {
  const cells = [name, bytes.toLocaleString("en"), time.toFixed(2), difference.toExponential(0)];
  const row = $(table).insertRow();
  for (const cell of cells) row.insertCell().textContent = cell;
}

const worst = (differences) => differences.reduce((a, b) => Math.max(a, Math.abs(b)), 0);

// -- payments -------------------------------------------------------------------------------------

let payment = [...facts.fraud.typical];

function judge() {
  const p = fraud.predictProba(payment)[1];
  $("fraud-answer").textContent = `${percent(p)} fraud`;
  $("fraud-bar").style.width = `${100 * p}%`;
}

function show() {
  $("sliders").replaceChildren(
    ...facts.fraud.sliders.map(({ column, low, high }) => {
      const label = document.createElement("label");
      label.className = "slider";
      const [name, slider, value] = ["span", "input", "output"].map((tag) => document.createElement(tag));
      name.textContent = facts.fraud.columns[column];
      Object.assign(slider, { type: "range", min: Math.min(low, payment[column]), max: Math.max(high, payment[column]) });
      slider.step = (slider.max - slider.min) / 200;
      slider.value = payment[column];
      value.textContent = twoDigits(payment[column]);
      slider.oninput = () => {
        payment[column] = Math.fround(slider.valueAsNumber);
        value.textContent = twoDigits(slider.valueAsNumber);
        judge();
      };
      label.append(name, slider, value);
      return label;
    }),
  );
  judge();
}

$("typical").onclick = () => ((payment = [...facts.fraud.typical]), show());
$("fraudulent").onclick = () => ((payment = [...facts.fraud.fraud]), show());
show();

// -- commands -------------------------------------------------------------------------------------

const places = new Map(facts.voice.vocabulary.map((word, i) => [word, i]));
$("n-intents").textContent = voice.classes.length;

/** What TfidfVectorizer(ngram_range=(1, 2)) makes of a text. */
function counted(text) {
  const words = text.toLowerCase().match(/[\p{L}\p{N}_]{2,}/gu) ?? [];
  const numbers = new Float64Array(places.size);
  const count = (word) => {
    const at = places.get(word);
    if (at !== undefined) numbers[at] += facts.voice.idf[at];
  };
  words.forEach((word, i) => {
    count(word);
    if (i) count(`${words[i - 1]} ${word}`);
  });
  const length = Math.hypot(...numbers);
  return length ? numbers.map((x) => x / length) : numbers;
}

function understand() {
  const proba = voice.predictProba(counted($("command").value));
  const sure = Math.max(...proba);
  const threshold = $("threshold").valueAsNumber;
  $("intent").textContent = voice.classes[proba.indexOf(sure)].replace(/(?<=[a-z])(?=[A-Z])/g, " ");
  $("confidence").textContent = percent(sure);
  $("voice-bar").style.width = `${100 * sure}%`;
  $("threshold-value").textContent = threshold.toFixed(2);
  const ask = sure < threshold;
  $("light").className = `light ${ask ? "ask" : "own"}`;
  $("light").textContent = ask ? "would ask the server" : "answers by itself";
}

// Rounded up: the promise is about this threshold and stricter ones.
$("threshold").value = Math.ceil(facts.voice.threshold * 100) / 100;
$("command").oninput = $("threshold").oninput = understand;
understand();
$("voice-note").textContent =
  `Right on ${percent(facts.voice.accuracy)} of sentences made of templates that it has not seen. ` +
  `The threshold at the start: ${facts.voice.promise.charAt(0).toLowerCase()}${facts.voice.promise.slice(1)}`;

// -- measured here, and compared with Python ------------------------------------------------------

const { rows, answers } = facts.fraud;
const inScript = worst(rows.map((row, i) => fraud.predictProba(row)[1] - answers[i]));
const time = microsecondsAtOnce((i) => fraud.predictProba(rows[i % rows.length]), 20000);
addRow("fraud-table", "JavaScript", await bytesOf("fraud.js"), time, inScript);

const said = facts.voice.texts.map((text) => voice.predictProba(counted(text)));
const inVoice = worst(said.map((proba, i) => Math.max(...proba) - facts.voice.answers[i]));
const sameIntent = facts.voice.texts.every((text, i) => voice.predict(counted(text)) === facts.voice.labels[i]);
const voiceTime = microsecondsAtOnce((i) => voice.predictProba(counted(facts.voice.texts[i % 200])), 300);
addRow("voice-table", "JavaScript", await bytesOf("voice.js"), voiceTime, inVoice);

let inRuntime = "";
if (facts.runtime) {
  const ort = await import("./ort/ort.wasm.min.mjs");
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = new URL("ort/", document.baseURI).href;
  const session = await ort.InferenceSession.create("fraud.onnx");
  const ask = (some) =>
    session.run(
      { X: new ort.Tensor("float32", Float32Array.from(some.flat()), [some.length, some[0].length]) },
      ["probabilities"],
    );
  const all = (await ask(rows)).probabilities.data;
  inRuntime = worst(answers.map((p, i) => all[2 * i + 1] - p));
  const one = await microseconds((i) => ask([rows[i % rows.length]]), 300);
  addRow("fraud-table", "ONNX Runtime Web", await bytesOf("fraud.onnx"), one, inRuntime);
}

// For those who test this page.
Object.assign(document.documentElement.dataset, { inScript, inVoice, sameIntent, inRuntime, done: true });
