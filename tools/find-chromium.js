// tools/find-chromium.js - where a Chromium (or Chrome) is that the browser tests
// can drive: CHROMIUM_PATH, else the first of the usual names on PATH, else null.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const FIXED = ['/Applications/Chromium.app/Contents/MacOS/Chromium', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];

function isExecutable(file) {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

function findChromium() {
  const folders = (process.env.PATH || '').split(path.delimiter).filter(Boolean);
  const onPath = NAMES.flatMap((name) => folders.map((folder) => path.join(folder, name)));
  return [process.env.CHROMIUM_PATH, ...onPath, ...FIXED].find((file) => file && isExecutable(file)) ?? null;
}

module.exports = findChromium;
