/**
 * The floor of the same run: a bare loop that writes 512 bytes into a file that is there, and waits until the disk has
 * them; and three such loops at once, as three nodes of one machine share its disk.
 *
 * Does NOT promise: the least of the disk; other work on it counts in.
 */

import { type FileHandle, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Times } from "../workloads/measure.ts";

const FILE_BYTES = 4 * 1024 * 1024;
const WRITE_BYTES = 512;

/** What was measured. */
export interface DiskFloor {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Rounds a second of three loops that go on together, as a commit waits for three disks. */
  readonly threePerSecond: number;
  readonly threeP50Us: number;
}

/** Measures it for some seconds, below the folder for temporary files. */
export async function measureDisk(seconds: number): Promise<DiskFloor> {
  const paths = [0, 1, 2].map((at) => join(tmpdir(), `ctdbx-floor-${process.pid}-${at}`));
  const files: FileHandle[] = [];
  try {
    for (const path of paths) {
      const file = await open(path, "w+");
      files.push(file);
      await file.write(new Uint8Array(FILE_BYTES), 0, FILE_BYTES, 0);
      await file.datasync();
    }
    const one = await rounds(files.slice(0, 1), seconds);
    const three = await rounds(files, seconds);
    return {
      perSecond: one.count / seconds,
      p50Us: one.us(0.5),
      p99Us: one.us(0.99),
      threePerSecond: three.count / seconds,
      threeP50Us: three.us(0.5),
    };
  } finally {
    for (const file of files) await file.close();
    for (const path of paths) await rm(path, { force: true });
  }
}

async function rounds(files: readonly FileHandle[], seconds: number): Promise<Times> {
  const times = new Times();
  const bytes = new Uint8Array(WRITE_BYTES);
  const endMs = performance.now() + 1000 * seconds;
  for (let at = 0; performance.now() < endMs; at = (at + WRITE_BYTES) % FILE_BYTES) {
    const beganMs = performance.now();
    bytes.fill(at >>> 9);
    await Promise.all(files.map(async (file) => {
      await file.write(bytes, 0, WRITE_BYTES, at);
      await file.datasync();
    }));
    times.add(performance.now() - beganMs);
  }
  return times;
}
