'use strict';

// topics.test.js - the names of the topics that a server gives: built, taken apart, and refused.

const assert = require('node:assert/strict');

const { topics } = require('../..');

/** Ids as they are in use, that hold colons, commas and slashes. */
const ODD_IDS = [
  'did:web:example.com:user:alice', 'urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66', 'oidc:https://id.example.com/|42',
  ':', 'a:', ':a', 'tenant:a', 'role:admin', 'global', 'cn=Alice,dc=example', 'Ünï-😀', ' a b ', '%3A', '*',
];

/** builder -> [arguments, the topic, what it parses to] */
const SHAPES = [
  ['global', [], 'global', { kind: 'global' }],
  ['tenant', ['acme'], 'tenant:acme', { kind: 'tenant', tenantId: 'acme' }],
  ['role', ['acme', 'admin'], 'tenant:acme:role:admin', { kind: 'role', tenantId: 'acme', role: 'admin' }],
  ['group', ['acme', 'sales'], 'tenant:acme:group:sales', { kind: 'group', tenantId: 'acme', groupId: 'sales' }],
  ['user', ['alice'], 'user:alice', { kind: 'user', userId: 'alice' }],
  ['session', ['s1'], 'session:s1', { kind: 'session', sessionId: 's1' }],
  ['custom', ['prices'], 'custom:prices', { kind: 'custom', namespace: 'prices' }],
  ...ODD_IDS.flatMap((id) => [
    ['role', ['acme', id], `tenant:acme:role:${id}`, { kind: 'role', tenantId: 'acme', role: id }],
    ['group', ['acme', id], `tenant:acme:group:${id}`, { kind: 'group', tenantId: 'acme', groupId: id }],
    ['user', [id], `user:${id}`, { kind: 'user', userId: id }],
    ['session', [id], `session:${id}`, { kind: 'session', sessionId: id }],
    ['custom', [id], `custom:${id}`, { kind: 'custom', namespace: id }],
  ]),
  ['tenant', ['x'.repeat(255)], `tenant:${'x'.repeat(255)}`, { kind: 'tenant', tenantId: 'x'.repeat(255) }],
  ['tenant', ['role'], 'tenant:role', { kind: 'tenant', tenantId: 'role' }],
];

const BAD_PARTS = ['', 'a\n', '\0', 'a\u001fb', '\u007f', 'x'.repeat(256), 'ü'.repeat(128), '\ud800'];

const isTopicError = { name: 'TypeError', code: 'ERR_SSE_INVALID_TOPIC' };
const isArgError = { name: 'TypeError', code: 'ERR_SSE_INVALID_ARG' };

describe('topics', () => {
  it('are built, and taken apart into the same parts', () => {
    for (const [builder, parts, text, parsed] of SHAPES) {
      assert.equal(topics[builder](...parts), text);
      assert.deepEqual(topics.parse(text), parsed, text);
    }
  });

  it('are never the same for different parts', () => {
    const all = SHAPES.map(([, , text]) => text);
    assert.equal(new Set(all).size, all.length);
  });

  it('have a builder for each shape, and nothing can be put in its place', () => {
    assert.deepEqual(Object.keys(topics).sort(), ['custom', 'global', 'group', 'parse', 'role', 'session', 'tenant', 'user']);
    assert.throws(() => {
      topics.tenant = () => 'global';
    }, TypeError);
  });

  it('refuse a part that is empty, too long, or holds what is no text', () => {
    for (const bad of BAD_PARTS) {
      for (const build of [topics.tenant, topics.user, topics.session, topics.custom]) assert.throws(() => build(bad), isTopicError);
      for (const build of [topics.role, topics.group]) {
        assert.throws(() => build('acme', bad), isTopicError);
        assert.throws(() => build(bad, 'admin'), isTopicError);
      }
      for (const head of ['tenant:', 'user:', 'session:', 'custom:', 'tenant:a:role:', 'tenant:a:group:']) {
        assert.throws(() => topics.parse(head + bad), isTopicError, JSON.stringify(head + bad));
      }
      assert.throws(() => topics.parse(`tenant:${bad}:role:admin`), isTopicError);
    }
  });

  it('refuse a colon in the id of a tenant', () => {
    for (const id of ['a:b', ':', 'a:', 'a:role:admin']) {
      for (const build of [topics.tenant, (tenant) => topics.role(tenant, 'r'), (tenant) => topics.group(tenant, 'g')]) {
        assert.throws(() => build(id), isTopicError);
      }
    }
  });

  it('refuse what is no string', () => {
    for (const value of [undefined, null, 5, {}, [], ['a'], Symbol('a'), Object('a'), true]) {
      for (const build of [topics.tenant, topics.user, topics.session, topics.custom, topics.parse]) {
        assert.throws(() => build(value), isArgError);
      }
      assert.throws(() => topics.role('acme', value), isArgError);
      assert.throws(() => topics.role(value, 'admin'), isArgError);
      assert.throws(() => topics.group('acme', value), isArgError);
    }
  });

  it('refuse unknown shapes, with what there is instead', () => {
    const unknown = [
      '', 'a', 'Global', 'global:', 'global:a', ' global', 'tenant', 'user', 'users:a', 'User:a', 'role:admin', 'group:a',
      'tenant:a:', 'tenant:a:role', 'tenant:a:roles:x', 'tenant:a:user:x', 'tenant:a:b', '*', 'tenant:*:x', '__proto__:a',
      'constructor:a',
    ];
    for (const text of unknown) {
      assert.throws(() => topics.parse(text), { ...isTopicError, message: /There are global, tenant:\{id\}/ }, text);
    }
  });

  it('show no more than the beginning of what is wrong', () => {
    assert.throws(() => topics.parse('x'.repeat(10_000)), ({ message }) => message.length < 300);
    assert.throws(() => topics.user('x'.repeat(10_000)), ({ message }) => message.length < 300);
  });
});
