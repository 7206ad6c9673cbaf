# The server and all that it needs. In a checkout: docker build -t holdfast .
FROM node:24-bookworm AS build
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && npm pack --ignore-scripts --pack-destination /tmp . ./server
# Without a registry in between, npm would give Holdfast a later TypeORM than the server's.
RUN npm install --prefix /opt/holdfast --no-audit --no-fund /tmp/holdfast-*.tgz typeorm@0.3

FROM node:24-bookworm-slim
COPY --from=build /opt/holdfast /opt/holdfast
RUN install -d -o node -g node /data
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 DATABASE_URL=sqlite:/data/holdfast.sqlite
USER node
WORKDIR /opt/holdfast
VOLUME /data
EXPOSE 3000
# The call needs no credentials, and goes to any host name.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/health/live`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# Node is the first process, so that it gets the signal of `docker stop`.
CMD ["node", "node_modules/.bin/holdfast-server"]
