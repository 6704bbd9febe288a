import { doctorReport, formatDoctor } from '../node/doctor.ts';
import type { Console } from './console.ts';

export interface DoctorOptions {
  data?: string;
  adapter?: string;
}

/** Says what this machine offers and what is missing. Resolves with the exit code: 1 where something is. */
export async function doctor({ data, adapter }: DoctorOptions, out: Console): Promise<number> {
  const report = await doctorReport({ adapter, dir: data });
  out.line(formatDoctor(report));
  return report.ok ? 0 : 1;
}
