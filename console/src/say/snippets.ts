// Lines to paste that make a first call. Refuses to know the person's key: it is a variable in each of them.

export interface Snippet {
  name: string;
  lines: string;
}

/** A first call in curl and in Python; `origin` is where this page came from. */
export function firstCall(origin: string, model: string): Snippet[] {
  return [
    {
      name: "curl",
      lines: `curl ${origin}/v1/chat/completions \\
  -H "Authorization: Bearer $PILOTHOUSE_KEY" -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Say hello."}]}'`,
    },
    {
      name: "Python",
      lines: `from openai import OpenAI
client = OpenAI(base_url="${origin}/v1", api_key="YOUR_KEY")
print(client.chat.completions.create(model="${model}", messages=[{"role": "user", "content": "Say hello."}]))`,
    },
  ];
}
