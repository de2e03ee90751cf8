// The latents behind what a view shows, as a file that `hvae decode` reads.

import { fetched } from "./ask.js";
import { complain, el, save } from "./page.js";

export function latents(view, question) {
  return el("button", { type: "button", title: "The latents of what is shown, an .npz file that hvae decode reads", async onclick() {
    const asked = question();
    if (!asked) return;
    try {
      const headers = { "content-type": "application/json" };
      const answer = await fetched(`/api/latents/${view}`, { method: "POST", headers, body: JSON.stringify(asked) });
      const content = await answer.blob();
      save(`${view}-latents.npz`, content);
      document.body.dataset.saved = String(content.size);
    } catch (fault) {
      complain(fault.message);
    }
  } }, "Latents");
}
