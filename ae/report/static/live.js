"use strict";

// The networks of a page, computed here: nothing is asked of a server and nothing leaves the page.
// ae/report/live.py writes what they are made of.

// What also runs in a worker, so it refers to nothing outside.
function engine() {
  const ACTIVATIONS = {
    sigmoid: (v) => 1 / (1 + Math.exp(-v)),
    tanh: Math.tanh,
    elu: (v) => (v > 0 ? v : Math.expm1(v)),
  };

  // Fills layers with their numbers. Two characters hold 13 bits, see `_text` in live.py.
  function fill(layers, text, depth) {
    let [held, count, at] = [0, 0, 0]; // bits that were read but not taken yet, and how many
    const digit = () => {
      const code = text.charCodeAt(at++);
      return code - (code > 60 ? 36 : 35);
    };
    const take = (bits) => {
      if (bits > 16) return take(bits - 16) * 65536 + take(16);
      while (count < bits) {
        held = (held & ((1 << count) - 1)) << 13 | (digit() * 91 + digit());
        count += 13;
      }
      count -= bits;
      return held >> count & ((1 << bits) - 1);
    };
    const float = new DataView(new ArrayBuffer(4));
    const floats = (n) => Float32Array.from({ length: n }, () => {
      float.setUint16(0, take(16));
      float.setUint16(2, take(16));
      return float.getFloat32(0);
    });
    for (const layer of layers) {
      if (!layer.bits) {
        depth = layer.target_shape?.at(-1) ?? depth;
        continue;
      }
      const filters = layer.units ?? layer.filters;
      const taps = layer.kernel_size ? layer.kernel_size[0] * layer.kernel_size[1] : 1;
      const turned = layer.kind === "Conv2DTranspose";
      const [rows, inner] = turned ? [taps * filters, depth] : [filters, taps * depth];
      const [low, step] = [floats(rows), floats(rows)];
      layer.bias = floats(filters);
      layer.matrix = new Float32Array(rows * inner);
      for (let i = 0; i < rows; i++) {
        for (let k = 0; k < inner; k++) layer.matrix[i * inner + k] = low[i] + step[i] * take(layer.bits);
      }
      depth = filters;
    }
  }

  // Multiplies each of `rows` vectors of `inner` numbers with each row of a matrix.
  // Two vectors and four rows are taken together: to read numbers takes longer than to multiply them.
  function product(x, rows, matrix, inner, out, first) {
    const columns = matrix.length / inner;
    let j = 0;
    for (; j + 4 <= columns; j += 4) {
      const b = j * inner, c = b + inner, d = c + inner, e = d + inner;
      for (let i = 0; i < rows; i += 2) {
        const a = i * inner, f = i + 1 < rows ? a + inner : a, to = first + i * columns + j;
        let p = 0, q = 0, r = 0, s = 0, t = 0, u = 0, v = 0, w = 0;
        for (let k = 0; k < inner; k++) {
          const y = x[a + k], z = x[f + k];
          const k0 = matrix[b + k], k1 = matrix[c + k], k2 = matrix[d + k], k3 = matrix[e + k];
          p += y * k0; q += y * k1; r += y * k2; s += y * k3;
          t += z * k0; u += z * k1; v += z * k2; w += z * k3;
        }
        out[to] = p; out[to + 1] = q; out[to + 2] = r; out[to + 3] = s;
        if (f === a) continue;
        const next = to + columns;
        out[next] = t; out[next + 1] = u; out[next + 2] = v; out[next + 3] = w;
      }
    }
    for (; j < columns; j++) {
      for (let i = 0; i < rows; i++) {
        const a = i * inner, b = j * inner;
        let p = 0, q = 0, r = 0, s = 0, k = 0;
        for (; k + 4 <= inner; k += 4) {
          p += x[a + k] * matrix[b + k];
          q += x[a + k + 1] * matrix[b + k + 1];
          r += x[a + k + 2] * matrix[b + k + 2];
          s += x[a + k + 3] * matrix[b + k + 3];
        }
        for (; k < inner; k++) p += x[a + k] * matrix[b + k];
        out[first + i * columns + j] = p + q + r + s;
      }
    }
  }

  // Adds the biases to the numbers from the first on, and applies the activation to them.
  function activate(layer, values, first = 0, stop = values.length) {
    const bias = layer.bias, n = bias.length;
    for (let i = first; i < stop; i += n) {
      for (let f = 0; f < n; f++) values[i + f] += bias[f];
    }
    apply(layer.activation, values, first, stop);
  }

  function apply(name, values, first, stop) {
    if (name === "relu") { // (v + |v|) / 2 has no branch, which a processor would guess wrongly
      for (let i = first; i < stop; i++) values[i] = (values[i] + Math.abs(values[i])) / 2;
    } else if (name !== "linear") {
      const activation = ACTIVATIONS[name];
      for (let i = first; i < stop; i++) values[i] = activation(values[i]);
    }
  }

  // The rows (or columns) that zeros stand for before the first one, as padding "same" has it.
  const before = (size, stride, kernel) =>
    Math.max((Math.ceil(size / stride) - 1) * stride + kernel - size, 0) >> 1;

  // Images are arrays of height, width and depth, the depth changing fastest.
  const LAYERS = {
    Dense(layer, x, [inner]) {
      const out = new Float32Array(layer.units);
      product(x, 1, layer.matrix, inner, out, 0);
      activate(layer, out);
      return [out, [layer.units]];
    },
    Conv2D(layer, x, [height, width, depth]) {
      const [[kh, kw], [sh, sw], filters] = [layer.kernel_size, layer.strides, layer.filters];
      const [rows, columns] = [Math.ceil(height / sh), Math.ceil(width / sw)];
      const [top, left] = [before(height, sh, kh), before(width, sw, kw)];
      const inner = kh * kw * depth;
      const out = new Float32Array(rows * columns * filters);
      const patches = new Float32Array(16 * inner); // what 16 pixels of the result are made from
      for (let first = 0; first < rows * columns; first += 16) {
        const count = Math.min(16, rows * columns - first);
        patches.fill(0);
        for (let i = 0; i < count; i++) {
          const y = Math.floor((first + i) / columns) * sh - top;
          const x0 = (first + i) % columns * sw - left;
          const [start, stop] = [Math.max(0, -x0) * depth, Math.min(kw, width - x0) * depth];
          for (let ky = Math.max(0, -y); ky < Math.min(kh, height - y); ky++) {
            const [from, to] = [((y + ky) * width + x0) * depth, i * inner + ky * kw * depth];
            for (let k = start; k < stop; k++) patches[to + k] = x[from + k];
          }
        }
        product(patches, count, layer.matrix, inner, out, first * filters);
        activate(layer, out, first * filters, (first + count) * filters);
      }
      return [out, [rows, columns, filters]];
    },
    Conv2DTranspose(layer, x, [height, width, depth]) {
      const [[kh, kw], [sh, sw], filters] = [layer.kernel_size, layer.strides, layer.filters];
      const [rows, columns] = [height * sh, width * sw];
      const [top, left] = [before(rows, sh, kh), before(columns, sw, kw)];
      const out = new Float32Array(rows * columns * filters);
      const taps = new Float32Array(width * kh * kw * filters); // what one row of pixels adds
      for (let i = 0; i < height; i++) {
        product(x.subarray(i * width * depth), width, layer.matrix, depth, taps, 0);
        for (let j = 0, from = 0; j < width; j++) {
          for (let ky = 0; ky < kh; ky++) {
            const y = i * sh - top + ky;
            for (let kx = 0; kx < kw; kx++, from += filters) {
              const x0 = j * sw - left + kx;
              if (y < 0 || y >= rows || x0 < 0 || x0 >= columns) continue;
              const to = (y * columns + x0) * filters;
              for (let f = 0; f < filters; f++) out[to + f] += taps[from + f];
            }
          }
        }
      }
      activate(layer, out);
      return [out, [rows, columns, filters]];
    },
    MaxPooling2D(layer, x, [height, width, depth]) {
      const [[kh, kw], [sh, sw]] = [layer.pool_size, layer.strides];
      const [rows, columns] = [Math.ceil(height / sh), Math.ceil(width / sw)];
      const [top, left] = [before(height, sh, kh), before(width, sw, kw)];
      const out = new Float32Array(rows * columns * depth).fill(-Infinity);
      for (let i = 0; i < rows; i++) {
        for (let y = Math.max(0, i * sh - top); y < Math.min(height, i * sh - top + kh); y++) {
          for (let j = 0; j < columns; j++) {
            const stop = Math.min(width, j * sw - left + kw);
            for (let x0 = Math.max(0, j * sw - left); x0 < stop; x0++) {
              const [to, from] = [(i * columns + j) * depth, (y * width + x0) * depth];
              for (let f = 0; f < depth; f++) {
                if (x[from + f] > out[to + f]) out[to + f] = x[from + f];
              }
            }
          }
        }
      }
      return [out, [rows, columns, depth]];
    },
    UpSampling2D(layer, x, [height, width, depth]) {
      const [rows, columns] = [height * layer.size[0], width * layer.size[1]];
      const out = new Float32Array(rows * columns * depth);
      for (let i = 0, to = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++, to += depth) {
          const from = (Math.floor(i / layer.size[0]) * width + Math.floor(j / layer.size[1])) * depth;
          for (let f = 0; f < depth; f++) out[to + f] = x[from + f];
        }
      }
      return [out, [rows, columns, depth]];
    },
    Reshape: (layer, x) => [x, layer.target_shape],
    Flatten: (layer, x) => [x, [x.length]],
    Activation(layer, x, shape) {
      const out = x.slice();
      apply(layer.activation, out, 0, out.length);
      return [out, shape];
    },
  };

  // Returns what each layer makes of x: pairs of numbers and their shape.
  function run(layers, x, shape) {
    const results = [];
    for (const layer of layers) {
      [x, shape] = LAYERS[layer.kind](layer, x, shape);
      results.push([x, shape]);
    }
    return results;
  }

  return { fill, run };
}

document.addEventListener("DOMContentLoaded", () => {
  const root = document.querySelector(".live");
  const page = JSON.parse(root.querySelector(".networks").textContent);
  const { fill, run } = engine();
  const numbers = [...root.querySelectorAll(".numbers")];
  const networks = new Map(page.networks.map((network, i) => [network.label, { ...network, i }]));

  // Returns a network with its numbers, which are read when they are first needed.
  function ready(label) {
    const network = networks.get(label);
    if (network && !network.filled) {
      fill(network.layers, numbers[network.i].textContent, DEPTHS[page.kind]);
      network.filled = true;
    }
    return network;
  }

  // Buttons that choose a network; `chosen` gets its label.
  function choose(chosen) {
    const buttons = [...root.querySelectorAll(".choice button")];
    for (const button of buttons) {
      button.addEventListener("click", () => {
        for (const one of buttons) one.setAttribute("aria-pressed", String(one === button));
        chosen(button.value);
      });
    }
    return page.networks[0].label;
  }

  window.live = {
    // The results of all layers: pairs of numbers and their shape.
    run: (label, x, shape) => run(ready(label).layers, x, shape),
    decode: (label, z) => networks.has(label) ? run(ready(label).layers, z, [2]).at(-1)[0] : null,
  };
  KINDS[page.kind]({ root, page, ready, choose, run });
});

const DEPTHS = { drawing: 784, plane: 2, page: 1 }; // of what the first layer takes
const KINDS = { drawing, plane: decoder, page: cleaner };

// ---- Pictures of numbers

const GREY = (v) => [v, v, v].map((w) => 255 * w);
const HEAT = (v) => (v < 0 ? [110, 185, 255].map((w) => -v * w) : [255, 190, 90].map((w) => v * w));

// Draws numbers as squares: rows of a square of numbers, or the maps of an image beside each other.
function paint(canvas, values, shape, colour = null) {
  const flat = shape.length === 1;
  const side = flat ? 2 ** Math.floor(Math.log2(Math.sqrt(shape[0]))) : 0;
  const whole = flat && Number.isInteger(Math.sqrt(shape[0]));
  const [height, width, maps] = !flat ? shape
    : whole ? [Math.sqrt(shape[0]), Math.sqrt(shape[0]), 1]
      : [Math.ceil(shape[0] / side), side, 1];
  const across = maps === 1 ? 1 : Math.ceil(Math.sqrt(maps));
  const gap = maps === 1 ? 0 : 1;
  canvas.width = across * (width + gap) - gap;
  canvas.height = Math.ceil(maps / across) * (height + gap) - gap;
  const picture = new ImageData(canvas.width, canvas.height);
  let largest = 0;
  if (!colour) for (const v of values) largest = Math.max(largest, Math.abs(v));
  for (let i = 0; i < values.length; i++) {
    const [pixel, map] = [Math.floor(i / maps), i % maps];
    const x = map % across * (width + gap) + pixel % width;
    const y = Math.floor(map / across) * (height + gap) + Math.floor(pixel / width);
    const at = 4 * (y * canvas.width + x);
    const rgb = colour ? colour(values[i]) : HEAT(largest ? values[i] / largest : 0);
    picture.data.set([...rgb, 255], at);
  }
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

const counted = (shape) => {
  const n = shape.reduce((a, b) => a * b);
  const all = `${n.toLocaleString("en")} numbers`;
  return shape.length > 1 && shape.at(-1) > 1 ? `${shape.join(" × ")}: ${all}` : all;
};

// Shows what each layer makes of an input, in a row of pictures.
function flow(list) {
  const items = [];
  const item = (i) => {
    if (!items[i]) {
      items[i] = document.createElement("li");
      items[i].innerHTML = "<canvas role='img'></canvas><div class='label'><b></b><span></span><small></small></div>";
      list.append(items[i]);
    }
    return items[i];
  };
  return (steps) => {
    steps.forEach(({ name, values, shape, colour, note, of }, i) => {
      const canvas = item(i).querySelector("canvas");
      const [title, about, more] = item(i).querySelector(".label").children;
      paint(canvas, values, shape, colour);
      // A number is as large in each picture, as long as the picture is neither tiny nor huge.
      const cells = canvas.width;
      canvas.style.setProperty("--cells", cells);
      items[i].className = `${shape.length > 1 && shape.at(-1) > 1 ? "maps" : "flat"} ${of ?? ""}`;
      canvas.setAttribute("aria-label", `${name}, ${counted(shape)}`);
      [title.textContent, about.textContent, more.textContent] = [name, counted(shape), note ?? ""];
    });
    items.splice(steps.length).forEach((one) => one.remove());
  };
}

// Names the results of a network's layers for `flow`; those that change no number are left out.
function steps(network, results) {
  const shown = [];
  results.forEach(([values, shape], i) => {
    const { kind, activation } = network.layers[i];
    if (kind === "Flatten") return;
    if (kind === "Reshape" && shown.length) { // the same numbers
      shown.at(-1).shape = shape;
      return;
    }
    const [code, last] = [i + 1 === network.encoding, i + 1 === results.length];
    const zeros = activation === "relu" ? values.reduce((n, v) => n + (v === 0), 0) : 0;
    shown.push({
      name: code ? "z, the code" : last ? "x_hat, the reconstruction" : kind,
      values, shape, colour: last ? GREY : null,
      note: [
        code || last ? kind : "", activation === "linear" ? "" : activation,
        zeros ? `${zeros.toLocaleString("en")} are 0` : "",
      ].filter(Boolean).join(", "),
      of: code ? "code" : last ? "last" : "",
    });
  });
  return shown;
}

// ---- Pictures from files

// Reads a picture as the command `clean` does: its grey, from 0 to 255, transparent parts as white.
// It is made smaller first if it has more than `most` pixels.
async function readGrey(blob, most = Infinity) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none" });
  const scale = Math.min(1, Math.sqrt(most / (bitmap.width * bitmap.height)));
  const [width, height] = [bitmap.width, bitmap.height].map((n) => Math.max(1, Math.floor(n * scale)));
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const grey = new Uint8Array(width * height);
  for (let i = 0; i < grey.length; i++) { // as Pillow's mode L rounds it
    grey[i] = (19595 * data[4 * i] + 38470 * data[4 * i + 1] + 7471 * data[4 * i + 2] + 32768) >> 16;
  }
  return { grey, width, height, from: [bitmap.width, bitmap.height] };
}

function blobOf(dataUrl) {
  const [about, text] = dataUrl.split(",");
  return new Blob([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], { type: about.slice(5, -7) });
}

// ---- Draw an image

const SIDE = 28;
const FINE = 10; // pixels of the drawing for one of the image
const PEN = 2.3; // pixels of the image; about as wide as the strokes of MNIST

function drawing({ root, page, ready, choose, run }) {
  const pad = root.querySelector(".pad canvas");
  const context = pad.getContext("2d");
  const ink = new OffscreenCanvas(SIDE * FINE, SIDE * FINE).getContext("2d", { willReadFrequently: true });
  const centring = root.querySelector(".centring");
  const show = flow(root.querySelector(".flow"));
  const error = root.querySelector(".error");
  let label = choose((chosen) => { label = chosen; answer(); });
  let strokes = []; // lists of points, in pixels of the image
  let start = null; // a test image under them

  function drawStrokes(scale, shift) {
    ink.setTransform(1, 0, 0, 1, 0, 0);
    ink.fillStyle = "#000";
    ink.fillRect(0, 0, SIDE * FINE, SIDE * FINE);
    ink.strokeStyle = "#fff";
    [ink.lineCap, ink.lineJoin, ink.lineWidth] = ["round", "round", PEN * FINE];
    for (const points of strokes) {
      ink.beginPath();
      points.forEach(([x, y], i) => {
        const to = [(x * scale + shift[0]) * FINE, (y * scale + shift[1]) * FINE];
        if (i === 0) ink.moveTo(...to);
        ink.lineTo(...to);
      });
      ink.stroke();
    }
    // The mean of each 10 x 10 pixels is one of the image.
    const { data } = ink.getImageData(0, 0, SIDE * FINE, SIDE * FINE);
    const x = new Float32Array(SIDE * SIDE);
    for (let i = 0; i < data.length / 4; i++) {
      const [row, column] = [Math.floor(i / (SIDE * FINE)), i % (SIDE * FINE)];
      x[Math.floor(row / FINE) * SIDE + Math.floor(column / FINE)] += data[4 * i] / 255 / FINE ** 2;
    }
    return x;
  }

  // Makes the input of the strokes. As in MNIST, a digit fits into 20 x 20 pixels, and its centre of
  // mass is in the middle.
  function input() {
    let [scale, shift] = [1, [0, 0]];
    const points = strokes.flat();
    if (centring.checked && !start && points.length) {
      const low = [0, 1].map((k) => Math.min(...points.map((p) => p[k])));
      const high = [0, 1].map((k) => Math.max(...points.map((p) => p[k])));
      const extent = Math.max(high[0] - low[0], high[1] - low[1]);
      scale = (20 - PEN) / Math.max(extent, 6); // a dot stays small
      shift = low.map((v, k) => SIDE / 2 - scale * (v + high[k]) / 2);
      const x = drawStrokes(scale, shift);
      const [mass, ...moments] = x.reduce(([m, mx, my], v, i) =>
        [m + v, mx + v * (i % SIDE + 0.5), my + v * (Math.floor(i / SIDE) + 0.5)], [0, 0, 0]);
      shift = shift.map((v, k) => v + 14.5 - moments[k] / mass);
    }
    const x = drawStrokes(scale, shift);
    return start ? x.map((v, i) => Math.max(v, start[i])) : x;
  }

  function drawPad() {
    const scale = pad.width / SIDE;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, pad.width, pad.height);
    if (start) {
      const tile = document.createElement("canvas");
      paint(tile, start, [784], GREY);
      context.imageSmoothingEnabled = false;
      context.drawImage(tile, 0, 0, pad.width, pad.height);
    }
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.strokeStyle = "#fff";
    [context.lineCap, context.lineJoin, context.lineWidth] = ["round", "round", PEN];
    for (const points of strokes) {
      context.beginPath();
      points.forEach((p, i) => { if (i === 0) context.moveTo(...p); context.lineTo(...p); });
      context.stroke();
    }
  }

  function answer() {
    drawPad();
    const x = input();
    const network = ready(label);
    const began = performance.now();
    const results = run(network.layers, x, [784]);
    const took = performance.now() - began;
    const x_hat = results.at(-1)[0];
    const difference = x.map((v, i) => Math.abs(v - x_hat[i]));
    show([
      { name: "x, the input", values: x, shape: [784], colour: GREY, note: "28 × 28 pixels" },
      ...steps(network, results),
      { name: "|x − x_hat|", values: difference, shape: [784], colour: GREY, note: "what differs" },
    ]);
    const squared = difference.reduce((sum, v) => sum + v * v, 0);
    error.textContent = (squared / x.length).toFixed(4);
    root.querySelector(".took").textContent = took.toFixed(1);
    Object.assign(window.live, { x, x_hat });
  }

  const position = (event) => {
    const box = pad.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]
      .map((v) => SIDE * v);
  };
  let due = false;
  const later = () => { // at most once for each picture on the screen
    if (due) return;
    due = true;
    requestAnimationFrame(() => { due = false; answer(); });
  };
  let drawing = null;
  pad.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pad.setPointerCapture(event.pointerId);
    drawing = event.pointerId;
    strokes.push([position(event)]);
    later();
  });
  pad.addEventListener("pointermove", (event) => {
    if (event.pointerId !== drawing) return;
    const events = event.getCoalescedEvents?.() ?? [];
    strokes.at(-1).push(...(events.length ? events : [event]).map(position));
    later();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    pad.addEventListener(end, (event) => { if (event.pointerId === drawing) drawing = null; });
  }
  centring.addEventListener("change", answer);
  root.querySelector(".clear").addEventListener("click", () => {
    [strokes, start] = [[], null];
    answer();
  });
  readGrey(blobOf(page.image)).then(({ grey, width }) => {
    const images = Array.from({ length: page.count }, (_, n) => Float32Array.from(
      { length: 784 }, (_, i) => grey[Math.floor(i / SIDE) * width + n * SIDE + i % SIDE] / 255));
    // Digits of MNIST have a black border, other images may have none.
    const inside = (i) => i % SIDE % (SIDE - 1) && i > SIDE && i < SIDE * (SIDE - 1);
    centring.checked = images.every((x) => x.every((v, i) => v === 0 || inside(i)));
    images.forEach((x, n) => {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-label", `Test image ${n + 1}`);
      const canvas = document.createElement("canvas");
      paint(canvas, x, [784], GREY);
      button.append(canvas);
      button.addEventListener("click", () => { [strokes, start] = [[], x]; answer(); });
      root.querySelector(".examples").append(button);
    });
    start ??= strokes.length ? null : images[0];
    answer();
  });
}

// ---- Decode a point of the plane

function decoder({ root, ready, run }) {
  const show = flow(root.querySelector(".flow"));
  const about = root.querySelector(".of-z");
  let shown = 0; // the first plane's, until the reader moves the point of one

  // Draws what the decoder makes of z on an element of the plane; false if that network is not here.
  window.live.show = (label, z, element) => {
    const network = ready(label);
    if (!network) return false;
    const results = run(network.layers, Float32Array.from(z), [2]);
    const canvas = element.querySelector("canvas") ?? document.createElement("canvas");
    element.style.backgroundImage = "none";
    element.append(canvas);
    paint(canvas, ...results.at(-1), GREY);
    if (shown++ && starting) return true;
    const code = { name: "z, the code", values: Float32Array.from(z), shape: [2], of: "code" };
    show([code, ...steps(network, results)]);
    about.textContent = `${label}, z = (${z.map((v) => v.toFixed(2)).join(", ")})`;
    return true;
  };
  let starting = true;
  document.dispatchEvent(new Event("live")); // the planes draw again
  starting = false;
}

// ---- Clean a page

const MOST = 1e6; // pixels of a page, as A4 has at 100 dpi; a larger one is made smaller, which bounds the time

// Cleans strips of the page in workers. `done` gets each strip: its first row and its grey values.
function clean(layers, { grey, width, height }, margin, done) {
  const [columns, rows] = [width + width % 2, height + height % 2];
  const x = new Float32Array(columns * rows); // even sides; the last row or column is repeated
  for (let i = 0; i < x.length; i++) {
    const [row, column] = [Math.floor(i / columns), i % columns];
    x[i] = grey[Math.min(row, height - 1) * width + Math.min(column, width - 1)] / 255;
  }
  const deep = Math.max(16, 2 * Math.floor(32e3 / columns));
  const tops = Array.from({ length: Math.ceil(rows / deep) }, (_, i) => i * deep);
  const source = `"use strict"; const { run } = (${engine})(); let layers;
    onmessage = ({ data }) => {
      if (data.layers) return layers = data.layers;
      const [values] = run(layers, data.x, [data.x.length / data.columns, data.columns, 1]).at(-1);
      postMessage({ top: data.top, values });
    };`;
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const number = Math.max(1, Math.min(8, (navigator.hardwareConcurrency || 2) - 1, tops.length));
  const workers = Array.from({ length: number }, () => new Worker(url));
  const stop = () => {
    workers.forEach((worker) => worker.terminate());
    URL.revokeObjectURL(url);
  };
  const finished = new Promise((resolve, reject) => {
    const cleaned = new Float32Array(width * height);
    let left = tops.length;
    const next = (worker) => {
      const top = tops.shift();
      if (top === undefined) return;
      const [first, last] = [Math.max(0, top - margin), Math.min(rows, top + deep + margin)];
      worker.postMessage({ top, columns, x: x.slice(first * columns, last * columns) });
    };
    for (const worker of workers) {
      worker.onerror = (event) => { stop(); reject(new Error(event.message)); };
      worker.onmessage = ({ data: { top, values } }) => {
        const bottom = Math.min(top + deep, height);
        const skipped = top - Math.max(0, top - margin);
        for (let row = top; row < bottom; row++) {
          const from = (row - top + skipped) * columns;
          cleaned.set(values.subarray(from, from + width), row * width);
        }
        left -= 1;
        done(top, cleaned.subarray(top * width, bottom * width), 1 - left / Math.ceil(rows / deep));
        if (left) return next(worker);
        stop();
        resolve(cleaned);
      };
      worker.postMessage({ layers });
      next(worker);
    }
  });
  return { finished, stop };
}

function cleaner({ root, page, ready, choose }) {
  const [before, after] = root.querySelectorAll(".sheet canvas");
  const [bar, save, cut] = [".progress", ".save", ".cut"].map((one) => root.querySelector(one));
  const result = root.querySelector(".result");
  const say = (text) => { root.querySelector(".said").textContent = text; };
  let label = choose((chosen) => { label = chosen; if (sheet) start(); });
  let [sheet, name, job] = [null, "", null];

  window.live.clean = (chosen, grey, width, height) =>
    clean(ready(chosen).layers, { grey, width, height }, page.margin, () => {}).finished;

  function draw(canvas, values, top = 0, scale = 1) {
    const picture = new ImageData(sheet.width, values.length / sheet.width);
    values.forEach((v, i) => {
      const grey = Math.round(v * scale);
      picture.data.set([grey, grey, grey, 255], 4 * i);
    });
    canvas.getContext("2d").putImageData(picture, 0, top);
  }

  async function start() {
    job?.stop();
    const [smaller, began] = [sheet.width < sheet.from[0], performance.now()];
    [before.width, before.height] = [after.width, after.height] = [sheet.width, sheet.height];
    draw(before, sheet.grey);
    [result.hidden, save.hidden, bar.value] = [false, true, 0];
    const note = smaller ? ` It had ${sheet.from.join(" × ")} pixels, so it was first made smaller, to `
      + `${sheet.width} × ${sheet.height}.` : "";
    say(`Cleaning ${name}.${note}`);
    const mine = job = clean(ready(label).layers, sheet, page.margin, (top, values, share) => {
      draw(after, values, top, 255);
      bar.value = share;
    });
    try {
      await mine.finished;
    } catch (error) {
      return say(`${name} could not be cleaned (${error.message}).`);
    }
    const blob = await new Promise((resolve) => { after.toBlob(resolve, "image/png"); });
    if (job !== mine) return; // another page was chosen in the meantime
    URL.revokeObjectURL(save.href);
    save.href = URL.createObjectURL(blob);
    save.download = `${name.replace(/\.[^.]*$/, "")}-cleaned.png`;
    save.hidden = false;
    say(`Cleaned ${name} in ${((performance.now() - began) / 1000).toFixed(1)} s.${note}`);
  }

  async function read(blob, called) {
    try {
      [sheet, name] = [await readGrey(blob, MOST), called];
    } catch {
      return say(`This browser cannot read ${called}. Save it as a PNG or JPEG file, and drop that.`);
    }
    return start();
  }

  const file = root.querySelector("input[type=file]");
  file.addEventListener("change", () => { if (file.files.length) read(file.files[0], file.files[0].name); });
  root.querySelector(".sample").addEventListener("click", () => read(blobOf(page.image), "sample.png"));
  const zone = root.querySelector(".drop");
  for (const kind of ["dragover", "dragleave", "drop"]) { // anywhere: else the browser opens the file
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      zone.classList.toggle("over", kind === "dragover");
      const [dropped] = kind === "drop" ? event.dataTransfer.files : [];
      if (dropped) read(dropped, dropped.name);
    });
  }
  const divide = () => result.style.setProperty("--cut", `${cut.value}%`);
  cut.addEventListener("input", divide);
  divide();
}
