import { spawnSync } from 'node:child_process';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { WeftError } from '../../src/errors.ts';
import { decodePicture } from '../../src/node/pictures.ts';
import { type Draw, draws } from '../support/property.ts';

const [WIDTH, HEIGHT] = [19, 13];

/** A picture of bytes that differ, to be written as any kind of file. */
function drawn(channels: 1 | 3 | 4, byte = (i: number) => (i * 37 + (i >> 4) * 11) % 256) {
  const pixels = Uint8Array.from({ length: WIDTH * HEIGHT * channels }, (_, i) => byte(i));
  const picture = sharp(pixels, { raw: { width: WIDTH, height: HEIGHT, channels } });
  return { pixels, picture: channels === 1 ? picture.toColourspace('b-w') : picture };
}

/** A smooth picture, which JPEG keeps nearly as it is. */
const smooth = () => drawn(3, (i) => 20 + Math.floor(i / 3) / 3 + 40 * (i % 3));

/** A PNG file of a header that is any, and of rows of zeros, as many as are said. */
function png(width: number, height: number, rows: number, { colorType = 0, depth = 8 } = {}): Buffer {
  const chunk = (kind: string, data: Buffer) => {
    const body = Buffer.concat([Buffer.from(kind, 'latin1'), data]);
    const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    check.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, check]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colorType], 8);
  const rowBytes = 1 + Math.ceil((width * depth * [1, 0, 3, 1, 2, 0, 4][colorType]) / 8);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.alloc(rowBytes * rows))),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

const decode = (file: Uint8Array) => decodePicture(file, 'a picture');

describe('a picture', () => {
  it.each([1, 3, 4] as const)('of %i channels is decoded as it is from PNG', async (channels) => {
    const { pixels, picture } = drawn(channels);
    const { data, ...rest } = await decode(await picture.png().toBuffer());
    expect(rest).toEqual({ width: WIDTH, height: HEIGHT, channels });
    expect([...data]).toEqual([...pixels]);
  });

  it('is decoded as it is from WebP without loss, and nearly so from JPEG', async () => {
    const { pixels, picture } = drawn(4);
    const opaque = pixels.map((byte, i) => (i % 4 === 3 ? Math.max(1, byte) : byte));
    const raw = { width: WIDTH, height: HEIGHT, channels: 4 as const };
    const exact = sharp(opaque, { raw }).webp({ lossless: true, exact: true });
    expect([...(await decode(await exact.toBuffer())).data]).toEqual([...opaque]);
    expect([...(await decode(await picture.webp({ lossless: true, exact: true }).toBuffer())).data]).toEqual([
      ...pixels,
    ]);
    for (const progressive of [false, true]) {
      const jpeg = await smooth()
        .picture.jpeg({ quality: 100, chromaSubsampling: '4:4:4', progressive })
        .toBuffer();
      const { data, channels } = await decode(jpeg);
      expect(channels).toBe(3);
      data.forEach((byte, i) => {
        expect(Math.abs(byte - smooth().pixels[i])).toBeLessThan(4);
      });
    }
  });

  it('of a palette, of one bit, of 16 bits and of CMYK becomes 8 bits a channel', async () => {
    const { pixels, picture } = drawn(1, (i) => (i % 5) * 60);
    const palette = await decode(
      await picture.clone().toColourspace('srgb').png({ palette: true }).toBuffer(),
    );
    expect(Array.from(palette.data.filter((_, i) => i % palette.channels === 0))).toEqual([...pixels]);
    const [bit] = [await decode(png(16, 4, 4, { depth: 1 }))];
    expect([bit.channels, ...new Set(bit.data)]).toEqual([1, 0]);
    const deep = await picture.clone().toColourspace('grey16').png().toBuffer();
    expect((await sharp(deep).metadata()).depth).toBe('ushort');
    const { data, channels } = await decode(deep);
    expect([channels, ...data]).toEqual([1, ...pixels]);
    const cmyk = await smooth().picture.toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer();
    expect((await sharp(cmyk).metadata()).space).toBe('cmyk');
    const back = await decode(cmyk);
    const mean = (values: Uint8Array) => values.reduce((sum, value) => sum + value) / values.length;
    expect(back.channels).toBe(3);
    expect(Math.abs(mean(back.data) - mean(smooth().pixels))).toBeLessThan(8);
  });

  it('is turned upright as its EXIF data says, in every kind of file', async () => {
    const { pixels } = smooth();
    for (const kind of ['png', 'jpeg', 'webp'] as const)
      for (const [orientation, angle] of [
        [3, 180],
        [6, 270],
        [8, 90],
      ]) {
        const { data: turned, info } = await smooth()
          .picture.rotate(angle)
          .raw()
          .toBuffer({ resolveWithObject: true });
        const { width, height } = info;
        const file = await sharp(turned, { raw: { width, height, channels: 3 } })
          [kind]({ quality: 100 })
          .withMetadata({ orientation })
          .toBuffer();
        const { data, ...size } = await decode(file);
        const label = `${kind} ${orientation}`;
        expect(size, label).toEqual({ width: WIDTH, height: HEIGHT, channels: 3 });
        const apart = Math.max(...data.map((byte, i) => Math.abs(byte - pixels[i])));
        expect(apart, label).toBeLessThan(kind === 'png' ? 1 : 16);
      }
  });

  it('that moves gives its first picture', async () => {
    const { pixels } = drawn(3);
    const next = drawn(3, (i) => i % 7).pixels;
    const moving = await sharp(Buffer.concat([pixels, next]), {
      raw: { width: WIDTH, height: 2 * HEIGHT, channels: 3, pageHeight: HEIGHT },
    })
      .webp({ lossless: true, loop: 0 })
      .toBuffer();
    expect((await sharp(moving).metadata()).pages).toBe(2);
    const { height, channels, data } = await decode(moving);
    expect(height).toBe(HEIGHT);
    expect(Array.from(data.filter((_, i) => channels === 3 || i % 4 !== 3))).toEqual([...pixels]);
  });

  it('that lacks rows, its end or any part of it is damaged', async () => {
    const files = [
      png(40, 40, 1),
      png(40, 40, 39),
      ...(await Promise.all([
        drawn(3).picture.png().toBuffer(),
        smooth().picture.jpeg().toBuffer(),
        smooth().picture.jpeg({ progressive: true }).toBuffer(),
        drawn(3).picture.webp().toBuffer(),
        drawn(4).picture.webp({ lossless: true }).toBuffer(),
      ])),
    ];
    expect((await decode(png(40, 40, 40))).data).toEqual(new Uint8Array(1600));
    for (const file of files.slice(0, 2))
      await expect(decode(file)).rejects.toThrow(/^a picture is damaged: [^\n]+$/);
    for (const file of files.slice(2)) {
      await decode(file);
      for (const share of [0.3, 0.6, 0.9]) {
        const cut = decode(file.subarray(0, file.length * share));
        await expect(cut, `${share} of ${file.subarray(0, 12)}`).rejects.toThrow(/^a picture is damaged/);
      }
    }
  });

  it('whose entropy-coded data is damaged is refused, but not for a quirk of old phones', async () => {
    const file = await drawn(3).picture.jpeg().toBuffer();
    const scan = file.indexOf(Buffer.of(0xff, 0xda));
    const quirk = Buffer.from(file);
    // The last but one byte of a scan's header: the last coefficient, which a sequential JPEG has no use for.
    quirk[scan + 2 + 10] = 0;
    expect((await decode(quirk)).data).toEqual((await decode(file)).data);
    // A marker where none can be: what follows isn't decoded.
    const lossy = Buffer.concat([
      file.subarray(0, scan + 60),
      Buffer.of(0xff, 0xd0),
      file.subarray(scan + 60),
    ]);
    await expect(decode(lossy)).rejects.toThrow('a picture is damaged: VipsJpeg: Corrupt JPEG data');
  });

  it('is read where what is damaged in a PNG is but a comment', async () => {
    const file = png(8, 8, 8);
    // A checksum of 0.
    const comment = Buffer.from('\0\0\0\x04tEXta\0bc\0\0\0\0', 'latin1');
    const commented = Buffer.concat([file.subarray(0, 33), comment, file.subarray(33)]);
    expect(await decode(commented)).toEqual(await decode(file));
  });

  it('is refused for its size before anything is unpacked', async () => {
    const start = performance.now();
    const memory = process.resourceUsage().maxRSS;
    for (const [width, height] of [
      [20000, 20000],
      [11586, 11586],
      [900000, 900000],
    ])
      await expect(decode(png(width, height, 1))).rejects.toThrow(
        `a picture has ${width}x${height} pixels, more than the 134,217,728 that are read`,
      );
    expect(performance.now() - start).toBeLessThan(2000);
    // KiB
    expect(process.resourceUsage().maxRSS - memory).toBeLessThan(100 * 1024);
  });

  it('of 110 megapixels is read', async () => {
    const large = await decode(png(11000, 10000, 10000));
    expect([large.width, large.height, large.channels, large.data.length]).toEqual([11000, 10000, 1, 110e6]);
  });

  it('of very many scans is refused, before they are gone through', async () => {
    const file = await smooth().picture.jpeg({ progressive: true }).toBuffer();
    const last = file.lastIndexOf(Buffer.of(0xff, 0xda));
    const scan = file.subarray(last, -2);
    const many = Buffer.concat([file.subarray(0, -2), ...new Array(100).fill(scan), file.subarray(-2)]);
    await expect(decode(many)).rejects.toThrow('a picture is a JPEG of more than 100 scans');
  });

  it('of another kind is refused by what it is, whatever its name', async () => {
    const { picture } = drawn(3);
    const svg =
      '<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><image href="/etc/passwd"/></svg>';
    for (const [file, kind] of [
      [await picture.clone().gif().toBuffer(), 'a GIF picture'],
      [await picture.clone().tiff().toBuffer(), 'a TIFF picture'],
      [await picture.clone().avif({ effort: 0 }).toBuffer(), 'an AVIF picture'],
      [Buffer.from(svg), 'an SVG picture'],
      [Buffer.from(`<?xml version="1.0"?>${svg}`), 'an XML file, such as SVG'],
      [Buffer.from(` ${svg}`), 'no picture'],
      [Buffer.from('%PDF-1.7'), 'a PDF file'],
      [Buffer.from('P5 1 1 255 x'), 'no picture'],
      [Buffer.from('BM'), 'a BMP picture'],
      [Buffer.of(0xff), 'no picture'],
      [Buffer.alloc(0), 'empty'],
    ] as const)
      await expect(decodePicture(file, 'me.png')).rejects.toThrow(
        new WeftError(`me.png is ${kind}: PNG, JPEG and WebP are read`),
      );
  });
});

const pillow = spawnSync('/usr/bin/python3', ['-c', 'import PIL, numpy']).status === 0;
if (!pillow) console.log("python3-pil isn't here: pictures are compared with what sharp wrote alone");

/** Files as Pillow writes them, and the pixels that it reads from them; lines of JSON. */
const PILLOW = `
import base64, io, json
import numpy as np
from PIL import Image
random = np.random.default_rng(7)
draw = lambda *shape: random.integers(0, 256, shape, dtype='u1')
grey, rgb, rgba = Image.fromarray(draw(13, 19)), Image.fromarray(draw(13, 19, 3)), Image.fromarray(draw(13, 19, 4))
smooth = Image.fromarray(np.add.outer(np.arange(13), np.arange(19)).astype('u1') * 6)
exif = Image.Exif()
exif[0x0112] = 6
def say(name, image, read=None, **options):
    file = io.BytesIO()
    image.save(file, **options)
    pixels = np.array((read or Image.open(file)))
    print(json.dumps([name, base64.b64encode(file.getvalue()).decode(), pixels.reshape(-1).tolist()]))
say('grey', grey, format='png')
say('RGB', rgb, format='png')
say('RGBA', rgba, format='png')
say('16 bits', Image.fromarray(np.array(grey).astype('u2') * 257), grey, format='png')
say('one bit', grey.convert('1'), grey.convert('1').convert('L'), format='png')
say('palette', rgb.quantize(13), rgb.quantize(13).convert('RGB'), format='png')
say('palette with a transparent colour', rgb.quantize(13), None, format='png', transparency=3)
say('grey with a transparent value', grey, None, format='png', transparency=int(np.array(grey)[0, 0]))
say('JPEG', smooth, format='jpeg', quality=95)
say('progressive JPEG', smooth.convert('RGB'), format='jpeg', quality=95, progressive=True)
say('WebP', rgb, format='webp', lossless=True)
say('turned JPEG', smooth, smooth.transpose(Image.ROTATE_270), format='jpeg', quality=100, exif=exif)
`;

describe('what Pillow writes', () => {
  it.skipIf(!pillow)('is decoded to what Pillow reads', async () => {
    const { stdout, stderr } = spawnSync('/usr/bin/python3', ['-c', PILLOW], { encoding: 'utf8' });
    expect(stderr).toBe('');
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(12);
    for (const line of lines) {
      const [name, file, read] = JSON.parse(line) as [string, string, number[]];
      const { data, channels } = await decode(Buffer.from(file, 'base64'));
      // Pillow gives a palette's places and a grey value's own colour; opacity is then in the file alone.
      if (/transparent/.test(name)) {
        const opacity = data.filter((_, i) => i % channels === channels - 1);
        expect(new Set(opacity), name).toEqual(new Set([0, 255]));
        const isSame = (i: number) => (name.startsWith('grey') ? read[i] === read[0] : read[i] === 3);
        opacity.forEach((byte, i) => {
          expect(byte, name).toBe(isSame(i) ? 0 : 255);
        });
        continue;
      }
      expect(data.length, name).toBe(read.length);
      const apart = Math.max(...data.map((byte, i) => Math.abs(byte - read[i])));
      expect(apart, name).toBeLessThanOrEqual(/JPEG/.test(name) ? 3 : 0);
    }
  });
});

/** Damage of the kinds that files come to. */
function damage(file: Buffer, { int, pick }: Draw): Buffer {
  const bytes = Buffer.from(file);
  const at = () => int(0, pick([32, bytes.length]) - 1);
  for (let times = int(1, 4); times > 0; times--) {
    switch (int(0, 4)) {
      case 0:
        bytes[at()] ^= 1 << int(0, 7);
        break;
      case 1:
        bytes[at()] = pick([0, 1, 127, 128, 255]);
        break;
      case 2:
        bytes.writeUInt32BE(pick([0, 1, 0xffff, 0x10000, 0x7fffffff, 0xffffffff]), int(0, bytes.length - 4));
        break;
      case 3:
        return bytes.subarray(0, int(0, bytes.length));
      case 4: {
        const [from, to] = [at(), at()];
        bytes.copy(bytes, from, to, to + int(0, 40));
      }
    }
  }
  return bytes;
}

/** Makes a PNG's checksums right, so that damage reaches what is behind them. */
function withChecksums(file: Buffer): Buffer {
  for (let at = 8; at + 12 <= file.length; ) {
    const end = at + 8 + file.readUInt32BE(at);
    if (end + 4 > file.length) break;
    file.writeUInt32BE(crc32(file.subarray(at + 4, end)), end);
    at = end + 4;
  }
  return file;
}

describe('damaged files', () => {
  it('are decoded or refused in one line, and soon', async () => {
    const files = await Promise.all([
      drawn(3).picture.png().toBuffer(),
      drawn(1).picture.png().toBuffer(),
      smooth().picture.jpeg().toBuffer(),
      smooth().picture.jpeg({ progressive: true }).toBuffer(),
      drawn(3).picture.webp().toBuffer(),
      drawn(4).picture.webp({ lossless: true }).toBuffer(),
    ]);
    for (const draw of draws('damaged pictures', 300)) {
      const damaged = damage(draw.pick(files), draw);
      const file = draw.chance(0.7) ? withChecksums(damaged) : damaged;
      const start = performance.now();
      const found = await decode(file).catch((error) => error);
      expect(performance.now() - start, draw.label).toBeLessThan(10_000);
      if (found instanceof Error) {
        expect(found, draw.label).toBeInstanceOf(WeftError);
        expect(found.message, draw.label).toMatch(/^a picture [^\n]{1,300}$/);
      } else expect(found.data.length, draw.label).toBe(found.width * found.height * found.channels);
    }
  });
});
