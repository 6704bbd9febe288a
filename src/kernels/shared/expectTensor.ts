import { ShapeError } from '../../errors.ts';
import { type Shape, sameShape, showShape } from '../../tensor/shape.ts';
import { type DType, expectIsTensor, type Tensor } from '../../tensor/tensor.ts';

/** @throws ShapeError unless it is a tensor and has the dtype (or one of them) and, where one is given, the shape. */
export function expectTensor(
  op: string,
  name: string,
  tensor: Tensor,
  dtype: DType | readonly DType[],
  shape?: Shape,
): void {
  expectIsTensor(op, name, tensor);
  const dtypes = typeof dtype === 'string' ? [dtype] : dtype;
  if (dtypes.includes(tensor.dtype) && (!shape || sameShape(tensor.shape, shape))) return;
  const wanted = `${name} ${dtypes.join(' or ')}${shape ? ` of shape ${showShape(shape)}` : ''}`;
  throw new ShapeError(op, wanted, `${tensor.dtype} ${showShape(tensor.shape)}`);
}
