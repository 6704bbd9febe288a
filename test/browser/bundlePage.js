// What a user's page may do with the package, as a bundler finds it. It runs in the test's page: `bundles.test.ts`.
import { layers, sequential } from 'weft-gpu';
import { decodeNpz, encodeNpz, loadKerasModel, saveKerasModel } from 'weft-gpu/files';
import { encodePng, grayPicture, learningCurvesSection, reportPage } from 'weft-gpu/report';

globalThis.bundlePage = {
  /** A report with a chart and a picture, and the picture alone. */
  report() {
    const history = [1, 2, 3].map((epoch) => ({ epoch, loss: 1 / epoch }));
    const picture = grayPicture([0, 50, 100, 255], 2, 2);
    const png = encodePng(picture);
    const pictures = { kind: 'pictures', caption: 'One', pictures: [{ png, alt: 'four pixels' }] };
    const sections = [
      learningCurvesSection([{ name: 'a run', history }]),
      { title: 'Pictures', blocks: [pictures] },
    ];
    return { html: reportPage({ title: 'Mine', sections }), png: [...png] };
  },
  /** An array that went through an .npz file. */
  async npz() {
    const array = { shape: [2], data: Float32Array.of(1, 2) };
    const file = await encodeNpz(new Map([['x', array]]), { compressed: true });
    return [...(await decodeNpz(file)).get('x').data];
  },
  /** The layers of a file of Keras. */
  async kerasLayers(bytes) {
    const model = await loadKerasModel(Uint8Array.from(bytes));
    return model.layers.map(({ name }) => name);
  },
  /** Weights before and after they went through an .h5 file. */
  async h5() {
    const model = sequential([layers.dense({ units: 3 })], { inputShape: [4] });
    const copy = await loadKerasModel(await saveKerasModel(model));
    const kernels = [model, copy].map(({ parameters }) => parameters[0].data());
    return (await Promise.all(kernels)).map((kernel) => [...kernel]);
  },
  /** What is said of a damaged file. */
  damaged(bytes) {
    return loadKerasModel(Uint8Array.from(bytes)).catch((error) => `${error.name}: ${error.message}`);
  },
};
