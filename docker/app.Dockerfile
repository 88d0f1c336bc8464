# Two images: `app`, the page on which the presets edit in the browser, as static files, and `server`,
# a SavedModel behind TensorFlow Serving's REST interface. docs/app.md and docs/serving.md say how.

FROM node:22-bookworm-slim AS page
WORKDIR /mim_tf
COPY LICENSE ./
COPY web web
# Writes mim_tf/app_files.
RUN cd web && npm ci --no-audit --no-fund && npm run build

FROM python:3.11-slim-bookworm AS site
WORKDIR /mim_tf
COPY . .
COPY --from=page /mim_tf/mim_tf/app_files mim_tf/app_files
# The base installation: LiteRT and no TensorFlow.
RUN pip install --no-cache-dir --constraint requirements.txt .
RUN mim app --export /site

FROM nginx:1.28-alpine AS app
COPY --from=site /site /usr/share/nginx/html
EXPOSE 80

FROM python:3.11-slim-bookworm AS server
WORKDIR /mim_tf
COPY . .
# For `--page`.
COPY --from=page /mim_tf/mim_tf/app_files mim_tf/app_files
RUN pip install --no-cache-dir --constraint requirements.txt ".[serve]"
RUN useradd --create-home mim
USER mim
WORKDIR /home/mim
EXPOSE 8501
ENTRYPOINT ["mim", "serve", "--host", "0.0.0.0"]
CMD ["--model", "/models/mim"]
