import { parse, type DefaultTreeAdapterTypes } from "parse5";

type Node = DefaultTreeAdapterTypes.Node;
type Element = DefaultTreeAdapterTypes.Element;

export interface FormField {
  readonly name: string;
  readonly type: string;
  /** What a browser would send without anybody touching the field; undefined for an unchecked box. */
  readonly value: string | undefined;
}

export interface HtmlForm {
  readonly action: string;
  readonly method: "GET" | "POST";
  readonly fields: readonly FormField[];
  /** Submit buttons with a name. */
  readonly buttons: readonly { readonly name: string; readonly value: string }[];
}

export interface HtmlPage {
  readonly title: string;
  readonly forms: readonly HtmlForm[];
}

/** Reads the forms of a page as a browser would submit them (HTML Living Standard §4.10.21). */
export function readPage(html: string, url: string): HtmlPage {
  const document = parse(html);
  const elements = [...walk(document)];
  const base = attribute(
    elements.find((element) => element.tagName === "base"),
    "href",
  );
  const root = base === undefined ? url : new URL(base, url).href;
  const title = elements.find((element) => element.tagName === "title");
  return {
    title: title === undefined ? "" : textOf(title).trim(),
    forms: elements
      .filter((element) => element.tagName === "form")
      .map((form) => readForm(form, elements, root, url)),
  };
}

function readForm(form: Element, all: readonly Element[], root: string, url: string): HtmlForm {
  const id = attribute(form, "id");
  const inside = [...walk(form)];
  const owned =
    id === undefined ? inside : [...inside, ...all.filter((one) => attribute(one, "form") === id)];
  const fields: FormField[] = [];
  const buttons: { name: string; value: string }[] = [];
  for (const element of owned) {
    const name = attribute(element, "name");
    if (name === undefined || name === "" || attribute(element, "disabled") !== undefined) continue;
    const type = (attribute(element, "type") ?? "").toLowerCase();
    const value = attribute(element, "value");
    if (element.tagName === "button" || (element.tagName === "input" && /^(submit|image)$/.test(type))) {
      if (type !== "button" && type !== "reset") buttons.push({ name, value: value ?? "" });
    } else if (element.tagName === "input") {
      const box = type === "checkbox" || type === "radio";
      const checked = attribute(element, "checked") !== undefined;
      if (type !== "button" && type !== "reset" && type !== "file") {
        fields.push({
          name,
          type: type || "text",
          value: box ? (checked ? (value ?? "on") : undefined) : (value ?? ""),
        });
      }
    } else if (element.tagName === "textarea") {
      fields.push({ name, type: "textarea", value: textOf(element) });
    } else if (element.tagName === "select") {
      const options = [...walk(element)].filter((one) => one.tagName === "option");
      const chosen = options.find((one) => attribute(one, "selected") !== undefined) ?? options[0];
      fields.push({
        name,
        type: "select",
        value: chosen === undefined ? undefined : (attribute(chosen, "value") ?? textOf(chosen).trim()),
      });
    }
  }
  const action = attribute(form, "action");
  return {
    action: action === undefined || action === "" ? url : new URL(action, root).href,
    method: (attribute(form, "method") ?? "get").toLowerCase() === "post" ? "POST" : "GET",
    fields,
    buttons,
  };
}

function* walk(node: Node): Generator<Element> {
  if (!("childNodes" in node)) return;
  for (const child of node.childNodes) {
    if ("tagName" in child) yield child;
    yield* walk(child);
  }
}

function attribute(element: Element | undefined, name: string): string | undefined {
  return element?.attrs.find((one) => one.name === name)?.value;
}

function textOf(element: Element): string {
  return element.childNodes
    .map((child) => ("value" in child ? child.value : "tagName" in child ? textOf(child) : ""))
    .join("");
}
