const two = (number: number): string => String(number).padStart(2, '0');
const dayMs = 86_400_000;
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A time on a scale of some length, as the reader's clock shows it. */
export function clock(atMs: number, lengthMs: number): string {
  const at = new Date(atMs);
  const minutes = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (lengthMs > 1.5 * dayMs) return `${at.getDate()} ${months[at.getMonth()]} ${minutes}`;
  return lengthMs <= 20 * 60_000 ? `${minutes}:${two(at.getSeconds())}` : minutes;
}

/** A time in the list; with its day when that is not today. */
export function moment(atMs: number, nowMs: number): string {
  const at = new Date(atMs);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  return at.toDateString() === new Date(nowMs).toDateString() ? time : `${day(at)} ${time}`;
}

/** For <input type="datetime-local">. */
export function localText(atMs: number): string {
  const at = new Date(atMs);
  return `${day(at)}T${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

function day(at: Date): string {
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}
