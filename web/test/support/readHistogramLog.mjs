// Reads an HdrHistogram log with the stock reader of npm and prints what it says, as JSON: one object for each interval.
// node readHistogramLog.mjs FILE PERCENT...
import { readFileSync } from 'node:fs';
import { HistogramLogReader } from 'hdr-histogram-js';

const [file, ...percents] = process.argv.slice(2);
const reader = new HistogramLogReader(readFileSync(file, 'utf8'));
const intervals = [];
for (let histogram = reader.nextIntervalHistogram(); histogram; histogram = reader.nextIntervalHistogram()) {
  intervals.push({
    tag: histogram.tag,
    count: histogram.totalCount,
    startMs: histogram.startTimeStampMsec,
    endMs: histogram.endTimeStampMsec,
    meanNs: histogram.mean,
    percentilesNs: percents.map((percent) => histogram.getValueAtPercentile(Number(percent))),
  });
}
process.stdout.write(JSON.stringify(intervals));
