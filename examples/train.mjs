// Trains a small convolutional network on images made here. The same file runs in Node and in a browser tab.
import * as weft from 'weft-gpu';

await weft.init();

/** Noisy 12x12 images of one bright line each; the class says how it lies: 0 across, 1 down, 2 diagonal. */
const random = new weft.RandomStream(7, 'lines');
function lines(count) {
  const pixels = random.uniform(count * 144);
  const labels = Int32Array.from(random.words(count), (word) => word % 3);
  labels.forEach((label, n) => {
    const row = Math.floor(pixels[n * 144] * 12);
    const place = [(i) => row * 12 + i, (i) => i * 12 + row, (i) => i * 12 + ((i + row) % 12)][label];
    for (let i = 0; i < 12; i++) pixels[n * 144 + place(i)] += 1;
  });
  return [weft.tensor(pixels, [count, 12, 12, 1]), weft.tensor(labels)];
}

const { conv2d, batchNormalization, maxPooling2d, flatten, dense } = weft.layers;
const features = [conv2d({ filters: 8, activation: 'relu' }), batchNormalization(), maxPooling2d()];
const model = weft.sequential([...features, flatten(), dense({ units: 3 })], { inputShape: [12, 12, 1] });
console.log(model.summary());

const optimizer = new weft.Adam({ learningRate: 0.01 });
const step = weft.record((images, labels) => {
  const loss = weft.softmaxCrossEntropy(model.logits(images, { training: true }), labels);
  optimizer.minimize(loss, model.trainableParameters);
  return loss;
});

for (let i = 1; i <= 60; i++) {
  const [images, labels] = lines(32);
  const loss = await step(images, labels);
  if (i % 10 === 0) console.log(`step ${i}: loss ${(await loss.item()).toFixed(3)}`);
  for (const used of [images, labels]) used.dispose();
}
weft.close();
