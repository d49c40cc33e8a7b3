// Measure a peer in Node: start a round for each line on stdin, print its result as a JSON line.
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { S3Client } from "@aws-sdk/client-s3";

const [endpoint, count, rounds] = process.argv.slice(2);

export const keys = Array.from(
  { length: Number(count) },
  (_, index) => `documents/${String(index).padStart(6, "0")}.pdf`,
);

export const client = new S3Client({
  endpoint,
  region: "us-east-1",
  forcePathStyle: true,
  credentials: { accessKeyId: "bench", secretAccessKey: "bench" },
});

const megabytes = (field) =>
  (Number(readFileSync("/proc/self/status", "utf8").split(`${field}:`)[1].trim().split(/\s+/)[0]) * 1024) / 1e6;

export async function measure(run) {
  const idle = megabytes("VmRSS");
  let left = Number(rounds);
  for await (const _ of createInterface({ input: process.stdin })) {
    writeFileSync("/proc/self/clear_refs", "5");
    const cpu = process.cpuUsage();
    const started = process.hrtime.bigint();
    await run();
    const wall = Number(process.hrtime.bigint() - started) / 1e9;
    const used = process.cpuUsage(cpu);
    const measured = {
      wall_s: wall,
      cpu_s: (used.user + used.system) / 1e6,
      peak_rss_mb: megabytes("VmHWM"),
      idle_rss_mb: idle,
    };
    process.stdout.write(`${JSON.stringify(measured)}\n`);
    left -= 1;
    if (left === 0) break;
  }
  process.exit(0);
}
