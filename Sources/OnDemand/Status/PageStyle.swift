/// The style of the page: light and dark by the browser's setting, down to the width of a phone.
enum PageStyle {
    static let general = #"""
        :root { color-scheme: light dark;
          --paper: #f5f3ee; --card: #ffffff; --ink: #1c2130; --muted: #565e6e; --line: #e1ddd3; --action: #2c55c4;
          --on-colour: #ffffff; --asleep: #5360b0; --starting: #8f5600; --awake: #1a7648; --stopping: #984271;
          --failed: #ad332b; --plain: #566170; --well: #f5f3ee; }
        @media (prefers-color-scheme: dark) { :root {
          --paper: #0f121a; --card: #181c27; --ink: #e9ecf3; --muted: #a1aabb; --line: #2b3140; --action: #9db8ff;
          --on-colour: #10131b; --asleep: #98a4f0; --starting: #f0b65e; --awake: #63d49b; --stopping: #e594c2;
          --failed: #ff938a; --plain: #a9b3c2; --well: #11141d; } }
        * { box-sizing: border-box; margin: 0; }
        body { background: var(--paper); color: var(--ink); max-width: 56rem; margin: 0 auto;
          padding: 1.25rem 1rem 3rem;
          font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
          font-variant-numeric: tabular-nums; }
        .messages, .address { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
        a { color: var(--action); }
        :focus-visible { outline: 3px solid var(--action); outline-offset: 3px; border-radius: .3rem; }
        main:focus { outline: none; }
        .unseen { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
        .card { background: var(--card); border: 1px solid var(--line); border-radius: 1rem; padding: 1.25rem;
          margin-bottom: 1.25rem; }

        .top { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem .75rem; margin-bottom: 1.1rem; }
        .top h1 { font-size: 1.25rem; letter-spacing: -.01em; }
        .mark { width: 2rem; } .mark rect { fill: #232a4d; } .mark-sun { fill: #f6b44b; }
        .mark-ground { stroke: #fff; stroke-width: 2; stroke-linecap: round; }
        #connection { font-size: .875rem; font-weight: 600; color: var(--muted); }
        #connection::before { content: ""; display: inline-block; width: .6rem; height: .6rem; border-radius: 50%;
          margin-right: .4rem; background: currentColor; }
        #connection[data-is=live] { color: var(--awake); }
        #connection[data-is=reconnecting] { color: var(--failed); }
        #connection:not([data-is=live])::before { background: none; border: 2px solid currentColor; }
        #daemon { color: var(--muted); font-size: .875rem; margin-left: auto; }
        footer { color: var(--muted); font-size: .875rem; }
        footer p + p { margin-top: .35rem; }
        body.lost :is(.service, .cable, .command) { filter: grayscale(.85); }
        body.lost :is(.scene, figure svg) { opacity: .6; }

        .name { display: flex; flex-wrap: wrap; align-items: baseline; gap: 0 .75rem; margin-bottom: .75rem; }
        .name h2 { font-size: 1.15rem; overflow-wrap: anywhere; }
        .paths { color: var(--muted); font-size: .875rem; overflow-wrap: anywhere; }
        .now { margin: 1rem 0 .6rem; min-height: 4.4rem; }
        .headline { font-size: 1.6rem; line-height: 1.2; letter-spacing: -.015em; }
        .word { color: var(--state); } .age { color: var(--muted); }
        .meaning { margin-top: .3rem; max-width: 40rem; }
        .trouble { margin-top: .4rem; color: var(--failed); overflow-wrap: anywhere; }

        #entrance p { margin-top: .75rem; display: flex; flex-wrap: wrap; gap: .75rem; }
        #entrance .trouble:empty { display: none; }
        .evidence { margin-top: .4rem; padding: .5rem .7rem; max-height: 14em; overflow: auto; border-radius: .5rem;
          background: var(--well); font-size: .8125rem; white-space: pre-wrap; overflow-wrap: anywhere; }
        input { font: inherit; color: inherit; background: var(--well); flex: 1 1 14rem; min-width: 0;
          min-height: 2.75rem; padding: .4rem .8rem; border: 1px solid var(--muted); border-radius: .6rem; }

        .client[hidden] { display: none; }
        .client { background: var(--well); border: 1px solid var(--line); border-radius: .75rem; padding: .9rem;
          display: grid; grid-template-columns: 2fr 3fr; gap: .9rem 1.4rem; min-height: 10.3rem; }
        button { font: inherit; font-weight: 600; padding: .55rem 1.1rem; min-height: 2.75rem; border-radius: .6rem;
          border: 2px solid var(--action); background: var(--action); color: var(--on-colour); cursor: pointer; }
        button.ends { background: transparent; color: var(--action); }
        button:hover { filter: brightness(1.08); }
        button:is(:disabled, [aria-disabled=true]) { opacity: .55; cursor: not-allowed; }
        .address { color: var(--muted); font-size: .8125rem; margin-top: .6rem; overflow-wrap: anywhere; }
        .outcome { margin-top: .6rem; } .outcome:empty { display: none; }
        .messages { list-style: none; padding: 0 0 0 1.4rem; border-left: 1px solid var(--line); min-width: 0;
          font-size: .8125rem; line-height: 1.75; }
        .messages:empty::before { content: "Messages of the backend appear here."; color: var(--muted);
          font-family: system-ui, sans-serif; font-size: .875rem; }
        .cable .messages:empty::before { content: "Messages of the stream appear here."; }
        .messages li { display: flex; gap: .9rem; overflow-wrap: anywhere; }
        .messages span { color: var(--muted); flex: 0 0 4.9em; text-align: right; }

        .subscribe button { margin-top: .6rem; } label input { display: block; width: 100%; margin-top: .4rem; }
        .client label { color: var(--muted); font-size: .875rem; }
        .client input { background: var(--card); color: var(--ink); font-size: 1rem; }
        .client input:read-only { background: var(--well); }
        :is(.cable, .command) .now { min-height: 0; margin-bottom: 1rem; }
        :is(.cable, .command) .facts { align-items: end; }
        @media (min-width: 40.01rem) { :is(.cable, .command) .story { grid-template-columns: repeat(3, 1fr); } }
        .runs { list-style: none; padding: 0; font-size: .875rem; } .runs[hidden] { display: none; }
        .runs li { padding: .3rem 0; border-top: 1px solid var(--line); display: flex; flex-wrap: wrap;
          justify-content: space-between; gap: 0 1rem; }
        .runs .failed span { color: var(--failed); } .runs code { color: var(--muted); overflow-wrap: anywhere; }
        .broadcast { display: flex; flex-wrap: wrap; align-items: flex-end; gap: .6rem; }
        .broadcast label { flex: 1 1 14rem; min-width: 0; }
        .broadcast, .broadcast-hint { grid-column: 1 / -1; border-top: 1px solid var(--line); padding-top: .9rem; }
        .broadcast-hint { color: var(--muted); font-size: .875rem; }
        :is(.broadcast, .broadcast-hint)[hidden] { display: none; }

        .operations { display: flex; flex-wrap: wrap; gap: .6rem; margin: 0 0 1rem; }
        .operations[hidden] { display: none; }
        .operations button { background: transparent; color: var(--action); padding: .4rem .9rem; }
        .operation-outcome { flex-basis: 100%; overflow-wrap: anywhere; }
        .operation-outcome:empty { display: none; }
        .output { margin-top: 1rem; } .output[hidden] { display: none; }
        summary { cursor: pointer; color: var(--action); min-height: 2rem; }
        .output pre { background: var(--well); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem;
          height: 15em; overflow: auto; font-size: .8125rem; white-space: pre-wrap; overflow-wrap: anywhere; }
        .output pre:empty::before { content: "No output yet."; color: var(--muted); }

        .facts { display: grid; grid-template-columns: repeat(6, 1fr); gap: .75rem 1rem; margin: 1.2rem 0; }
        .facts[hidden] { display: none; }
        svg[hidden] { display: none; }
        .story { margin: 0 0 1.2rem; display: grid; grid-template-columns: 2fr 1fr 1fr; gap: .75rem 1rem; }
        .story dd { font-size: 1rem; font-weight: 400; }
        .agent { display: block; color: var(--muted); font-size: .8125rem; overflow-wrap: anywhere; }
        .startups { height: 1.5rem; max-width: 100%; margin-right: .4rem; vertical-align: -.3rem;
          fill: var(--starting); }
        figure.day { margin-bottom: 1rem; } figure.day[hidden] { display: none; }
        dt { color: var(--muted); font-size: .8125rem; }
        dd { font-size: 1.125rem; font-weight: 600; overflow-wrap: anywhere; }
        figcaption { font-size: .8125rem; color: var(--muted); margin-bottom: .35rem; }
        figure svg { display: block; width: 100%; height: 70px; background: var(--well); border-radius: .5rem; }
        .axis, .legend { display: flex; justify-content: space-between; color: var(--muted); font-size: .8125rem; }
        .axis { margin-top: .25rem; }
        .legend { flex-wrap: wrap; justify-content: flex-start; gap: 0 1.1rem; margin-top: .35rem; }
        .legend span::before { content: ""; display: inline-block; width: .8rem; height: .8rem; margin-right: .4rem;
          border-radius: .2rem; background: var(--state); vertical-align: -.08rem; }
        .legend .queued::before, .legend .open::before { height: 0; border-radius: 0; border-top: 3px solid var(--ink);
          background: none; vertical-align: .2rem; }
        .legend .queued::before { border-top-style: dotted; }
        .minute:not(:has(rect.backoff)) .legend .backoff { display: none; }
        .peak { fill: none; stroke: var(--ink); stroke-width: 2; vector-effect: non-scaling-stroke; }
        .minute .connected { stroke: var(--ink); stroke-width: 3; vector-effect: non-scaling-stroke; }
        .minute .queued { stroke-dasharray: 3 3; }
        .band { fill: var(--state); }

        .service, .cable, .command, .asleep, .shutting_down { --state: var(--asleep); }
        .starting { --state: var(--starting); }
        .awake, .serving { --state: var(--awake); } .stopping { --state: var(--stopping); }
        .backoff { --state: var(--failed); } .unmanaged, .disabled { --state: var(--plain); }
        @media (max-width: 40rem) {
          body { padding: .9rem .75rem 2rem; } .card { padding: .9rem; border-radius: .8rem; }
          .facts { grid-template-columns: repeat(3, 1fr); } .story { grid-template-columns: 1fr; }
          .operations button { width: auto; flex: 1 1 40%; } #daemon { margin-left: 0; flex-basis: 100%; }
          .now { min-height: 6.6rem; } .headline { font-size: 1.4rem; } .client { grid-template-columns: 1fr; }
          button { width: 100%; } .messages { padding: .7rem 0 0; border-left: 0; border-top: 1px solid var(--line);
            min-height: 8.2em; } }
        """#

    /// The picture has its own colours; dark mode dims its day.
    static let lifecyclePicture = #"""
        .life { border-radius: .75rem; overflow: hidden; border: 1px solid var(--line); }
        .unmanaged .life, .disabled .life { display: none; }
        .scene { display: block; width: 100%; }
        .night-1 { stop-color: #141a38; } .night-2 { stop-color: #353f78; }
        .dawn-1 { stop-color: #4b4a86; } .dawn-2 { stop-color: #c9798a; } .dawn-3 { stop-color: #f8bd78; }
        .day-1 { stop-color: #6fb3e6; } .day-2 { stop-color: #d8eefa; }
        .dusk-1 { stop-color: #3d3a70; } .dusk-2 { stop-color: #a5567f; } .dusk-3 { stop-color: #ef9366; }
        @media (prefers-color-scheme: dark) { .day-1 { stop-color: #2f6ea5; } .day-2 { stop-color: #8fc1dd; } }
        .sky { opacity: 0; transition: opacity 1.1s; }
        .night { opacity: 1; }
        .service.starting .dawn, .service.awake .day, .service.stopping .dusk { opacity: 1; }
        .stars, .moon { transition: opacity .9s; }
        .stars { fill: #fff; } .moon { fill: #f3edd4; }
        .service:is(.starting, .awake, .stopping) .moon, .service.awake .stars { opacity: 0; }
        .service:is(.starting, .stopping) .stars { opacity: .35; }
        .orbit { fill: none; stroke: #fff; stroke-opacity: .38; stroke-width: 1.5; stroke-dasharray: 2 7;
          stroke-linecap: round; }
        .sun { transform: translate(262px, 226px); transition: transform 1s cubic-bezier(.4, 0, .3, 1); }
        .sun.steady { transition: transform .25s linear; }
        .disc { fill: #ffd56b; }
        .hill { transition: fill 1.1s; } .far { fill: #232a55; } .near { fill: #191f42; }
        .service.starting .far { fill: #6a5580; } .service.starting .near { fill: #4a4069; }
        .service.awake .far { fill: #6aa877; } .service.awake .near { fill: #4a8f63; }
        .service.stopping .far { fill: #59457a; } .service.stopping .near { fill: #3d335f; }
        .wall { fill: #cfc7c2; } .roof { fill: #8c4a42; } .door { fill: #5d4a44; } .window { fill: #454b66; }
        .house :is(.wall, .roof, .door, .window) { transition: fill 1.1s; }
        .connected { opacity: 0; transition: opacity .9s; fill: #cfd3f3; }
        .connected > path { fill: none; stroke: #cfd3f3; stroke-dasharray: 2 5; }
        .service.hibernating .connected { opacity: 1; }
        .service:is(.asleep, .backoff, .shutting_down) .wall { fill: #4a5080; }
        .service:is(.asleep, .backoff, .shutting_down) .roof { fill: #141838; }
        .service:is(.asleep, .backoff, .shutting_down) .door { fill: #252a52; }
        .service:is(.asleep, .backoff, .shutting_down) .window { fill: #2a3060; }
        .service:is(.starting, .awake) .window { fill: #ffd873; }
        .smoke { fill: none; stroke: #fff; stroke-width: 3; stroke-linecap: round; opacity: 0;
          transition: opacity 1.1s; }
        .service.awake .smoke { opacity: .55; }
        .stages { list-style: none; padding: .55rem 0; display: grid; grid-template-columns: repeat(4, 1fr); }
        .stages li { position: relative; text-align: center; color: var(--muted); font-size: .9375rem; }
        .stages li + li::before { content: "\2192"; content: "\2192" / ""; position: absolute; left: 0; top: .2rem;
          transform: translateX(-50%); }
        .stages li:last-child::after { content: "\21bb"; content: "\21bb" / ""; position: absolute; right: .6rem;
          top: .2rem; }
        .stages span { display: inline-block; padding: .2rem .75rem; border-radius: 1rem; }
        .stages [aria-current] span { background: var(--state); color: var(--on-colour); font-weight: 600; }
        @media (max-width: 40rem) { .stages span { padding: .2rem .45rem; } .stages li { font-size: .8125rem; }
          .stages li + li::before { top: .15rem; }
          .stages li:last-child::after { content: none; } }
        @media (prefers-reduced-motion: no-preference) {
          .service.starting .window { animation: flicker 1.4s infinite; }
          .service.starting .disc { animation: breathe 1.6s ease-in-out infinite; }
          .service.awake .smoke { stroke-dasharray: 9 7; animation: rise 5s linear infinite; } }
        @media (prefers-reduced-motion: reduce) { * { transition: none !important; animation: none !important; } }
        @keyframes flicker { 0%, 100% { opacity: 1 } 40% { opacity: .45 } 55% { opacity: .9 } 70% { opacity: .6 } }
        @keyframes breathe { 50% { fill: #fff0bd } }
        @keyframes rise { to { stroke-dashoffset: -64 } }
        """#
}
