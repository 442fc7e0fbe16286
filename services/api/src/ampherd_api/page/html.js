/** htm bound to the Preact that everything else uses. */
import { h } from "preact";
import htm from "htm";

export const html = htm.bind(h);
