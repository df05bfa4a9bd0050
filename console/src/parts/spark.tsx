// A line as small as a word. Refuses to know what it shows.

const WIDTH = 44;
const HEIGHT = 16;

export function Spark({ values, most, label }: { values: number[]; most?: number; label: string }) {
  const top = Math.max(most ?? 0, ...values) || 1;
  const step = WIDTH / Math.max(1, values.length - 1);
  const points = values.map((value, at) => `${(at * step).toFixed(1)},${(HEIGHT - 1 - (value / top) * (HEIGHT - 2)).toFixed(1)}`).join(" ");
  return (
    <svg class="spark" width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label} preserveAspectRatio="none">
      <polyline points={points} fill="none" stroke="var(--series-1)" stroke-width="1.2" stroke-linejoin="round" />
    </svg>
  );
}
