import { ShapeError } from '../../errors.ts';
import { type Shape, showShape } from '../../tensor/shape.ts';

/** @throws ShapeError unless a layer's inputs are images [height, width, channels] */
export function expectImages(layer: string, inputShape: Shape): void {
  if (inputShape.length !== 3)
    throw new ShapeError(layer, 'images [height, width, channels]', showShape(inputShape));
}
