'use strict';

// nest.js - a subscription and a publisher in a Nest app, on its Express platform. The decorators are
// called as functions, which runs without a compiler; the comments say how TypeScript writes them.

require('reflect-metadata');
const { Body, Controller, Get, Inject, Module, Post, Req, Res } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { createSseServer } = require('native-sse');

const SSE = Symbol('SSE');

/** @Controller() */
class Orders {
  /** constructor(@Inject(SSE) private readonly sse: SseServer) {} */
  constructor(sse) {
    this.sse = sse;
  }

  /** @Get('events') events(@Req() req: Request, @Res() res: Response) */
  events(req, res) {
    this.sse.handler(req, res); // with @Res() the answer is not Nest's
  }

  /** @Post('orders') async create(@Body() order: Order) */
  async create(order) {
    return { id: await this.sse.publish('orders', { type: 'order', data: order }) };
  }

  /** Called by app.close() and, with enableShutdownHooks(), on SIGTERM: before the server closes. */
  beforeApplicationShutdown() {
    return this.sse.stop();
  }
}

class AppModule {}

const decorate = (method, decorator) =>
  decorator(Orders.prototype, method, Object.getOwnPropertyDescriptor(Orders.prototype, method));
Inject(SSE)(Orders, undefined, 0);
Req()(Orders.prototype, 'events', 0);
Res()(Orders.prototype, 'events', 1);
decorate('events', Get('events'));
Body()(Orders.prototype, 'create', 0);
decorate('create', Post('orders'));
Controller()(Orders);
Module({
  controllers: [Orders],
  providers: [{ provide: SSE, useFactory: () => createSseServer() }], // JWKS_URL, JWT_ISSUER and JWT_AUDIENCE
})(AppModule);

async function main() {
  const app = await NestFactory.create(AppModule, { logger: ['error', 'warn'] });
  app.enableShutdownHooks();
  app.enableCors({ origin: 'https://app.example.com' });
  await app.listen(process.env.PORT ?? 3000);
  console.log(`listening on port ${app.getHttpServer().address().port}`);
}

main();
