import { contents } from './contents.mjs'

/** @type {import('@docusaurus/plugin-content-docs').SidebarsConfig} */
export default {
  manual: contents.map(({ section, pages }) => ({
    type: 'category',
    label: section,
    collapsed: false,
    items: [...pages],
  })),
}
