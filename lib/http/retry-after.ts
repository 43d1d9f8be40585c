/**
 * Reads a Retry-After value (RFC 9110 section 10.2.3).
 * @param now milliseconds since the epoch
 * @returns seconds to wait, 0 for a date in the past; null for what is neither seconds nor an HTTP date
 */
export function parseRetryAfter(raw: string, now: number): number | null {
  const text = raw.trim();
  if (/^\d+$/.test(text))
    return Number(text) > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : Number(text);
  const time = parseHttpDate(text, now);
  return time === undefined ? null : Math.max(0, Math.ceil((time - now) / 1000));
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const clock = "(\\d{2}):(\\d{2}):(\\d{2})";
const imfFixdate = new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\\d{2}) (\\w{3}) (\\d{4}) ${clock} GMT$`);
const rfc850Date = new RegExp(
  `^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\\d{2})-(\\w{3})-(\\d{2}) ${clock} GMT$`,
);
const asctimeDate = new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (\\w{3}) ([ \\d]\\d) ${clock} (\\d{4})$`);

/** The three forms of a date in HTTP (RFC 9110 section 5.6.7); undefined for anything else. */
function parseHttpDate(text: string, now: number): number | undefined {
  const fixed = imfFixdate.exec(text);
  if (fixed !== null) return timeOf(fixed[3], fixed[2], fixed[1], fixed.slice(4));
  const asctime = asctimeDate.exec(text);
  if (asctime !== null) return timeOf(asctime[6], asctime[1], asctime[2], asctime.slice(3, 6));
  const old = rfc850Date.exec(text);
  if (old === null) return undefined;
  // A two-digit year more than 50 years ahead belongs to the century before.
  const century = Math.floor(new Date(now).getUTCFullYear() / 100) * 100;
  const year = century + Number(old[3]);
  const recent = year > new Date(now).getUTCFullYear() + 50 ? year - 100 : year;
  return timeOf(String(recent), old[2], old[1], old.slice(4));
}

function timeOf(
  year: string | undefined,
  month: string | undefined,
  day: string | undefined,
  clockParts: readonly string[],
): number | undefined {
  const monthIndex = months.indexOf(month ?? "");
  const [hours, minutes, seconds] = clockParts.map(Number);
  if (monthIndex < 0 || hours === undefined || minutes === undefined || seconds === undefined)
    return undefined;
  if (hours > 23 || minutes > 59 || seconds > 60) return undefined;
  const time = Date.UTC(Number(year), monthIndex, Number(day), hours, minutes, seconds);
  return new Date(time).getUTCDate() === Number(day) || seconds === 60 ? time : undefined;
}
