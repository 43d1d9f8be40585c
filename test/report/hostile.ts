/** What a server, a title or a name might try to break a report with. */
export const HOSTILE = {
  markup: `</script><script>window.broken=1</script><img src=x onerror="window.broken=2"><!--`,
  cdata: "]]> <![CDATA[ &amp; &nosuch; <?xml version='1.0'?>",
  controls:
    "nul \u0000 bell \u0007 esc \u001b[31mred\u001b[0m \u001b]8;;http://evil.example\u0007link\u0008 \ufffe \uffff \u202egnp",
  emoji: "family 👨‍👩‍👧‍👦, half \ud83d and \udc68 of one",
  markdown:
    "| a | b |\n|---|---|\n# heading\n- item [x](javascript:alert(1)) ![i](http://evil.example/i.png) `code` **b** @user #1",
  command: "line\n::error::injected%0A::set-output name=x::y\r\n::stop-commands::z",
  template: "{{constructor}} ${process.exit(1)} <%= x %> $& $1 $$",
  long: `${"0123456789".repeat(105_000)}end`,
} as const;
