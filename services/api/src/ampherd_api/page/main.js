/** The page: from the live picture to what is seen. */
import { render } from "preact";
import { effect } from "@preact/signals";
import { useState } from "preact/hooks";
import { Chargers } from "./chargers.js";
import { Chart } from "./chart.js";
import { Events, PolicyError, Services } from "./events.js";
import { html } from "./html.js";
import { begin, headline, isLost, logIn, logOut, role, site } from "./live.js";
import { Phases } from "./phases.js";
import { Usual } from "./usual.js";

function Page() {
  if (role.value === "") return html`<${Login} />`;
  if (!site.value) return html`<main class="wait"><p class="quiet">Connecting …</p></main>`;
  return html`
    ${isLost.value && html`<p class="banner alarm" role="alert">The connection to Ampherd is lost; trying again. Charging goes on without this page.</p>`}
    <${Title} />
    <main>
      <${PolicyError} />
      <${Phases} />
      <${Chargers} />
      <${Chart} />
      <${Usual} />
      <${Events} />
    </main>
    <${Services} />`;
}

function Title() {
  const { severity, text } = headline.value;
  return html`<header class="title">
    <h1>${site.value.name}</h1>
    <p class="headline ${severity}" role="status"><span class="dot"></span>${text}</p>
    <p class="who">${role.value === "read" && html`<span class="badge quiet">looking only</span>`}<button type="button" class="plain" onClick=${logOut}>Log out</button></p>
  </header>`;
}

function Login() {
  const [error, setError] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    try {
      await logIn(new FormData(event.target).get("token").trim());
    } catch (failure) {
      setError(failure.message);
    }
  };
  return html`<main class="login card">
    <h1>Ampherd</h1>
    <p>Enter a token once; this browser remembers it. Without Docker, <code>ampherd token new NAME</code> makes one; with Docker, <code>docker compose exec api python -m ampherd_api.token new NAME</code>.</p>
    <form onSubmit=${submit}>
      <label for="token">Token</label>
      <input id="token" name="token" type="password" autocomplete="current-password" required maxlength="200" />
      <button type="submit" class="primary">Open</button>
      <p class="answer is-bad" role="alert">${error}</p>
    </form>
  </main>`;
}

effect(() => {
  if (site.value) document.title = `${site.value.name} · Ampherd`;
});

render(html`<${Page} />`, document.getElementById("page"));
begin();
