// Lines to paste that make a first call, or send first spans. Refuses to know the person's key: each says where it goes.

export interface Snippet {
  name: string;
  lines: string;
}

/** A first call with the openai SDK and with curl, and the way for OpenTelemetry; `origin` is where this page came from. */
export function firstCall(origin: string, model: string): Snippet[] {
  return [
    {
      name: "openai SDK",
      lines: `from openai import OpenAI
client = OpenAI(base_url="${origin}/v1", api_key="YOUR_KEY")
print(client.chat.completions.create(model="${model}", messages=[{"role": "user", "content": "Say hello."}]))`,
    },
    {
      name: "curl",
      lines: `curl ${origin}/v1/chat/completions \\
  -H "Authorization: Bearer $PILOTHOUSE_KEY" -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Say hello."}]}'`,
    },
    {
      name: "OpenTelemetry",
      lines: `export OTEL_EXPORTER_OTLP_ENDPOINT=${origin}
export OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20$PILOTHOUSE_KEY"
export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf`,
    },
  ];
}
