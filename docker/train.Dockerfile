# Trains on NVIDIA GPUs; docs/training.md says how. The host needs a driver and the NVIDIA Container
# Toolkit; CUDA's libraries come with TensorFlow's package.
FROM python:3.11-slim-bookworm

# What OpenCV loads.
RUN apt-get update \
    && apt-get install --no-install-recommends --yes libgl1 libglib2.0-0 libxcb1 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /mim_tf
# Packages first: they change seldom, and take the most time.
COPY requirements.txt ./
RUN sed -i 's/^tensorflow==/tensorflow[and-cuda]==/' requirements.txt \
    && pip install --no-cache-dir -r requirements.txt
COPY . .
RUN pip install --no-cache-dir --no-deps .

# Data sets and runs lie on volumes, below this folder.
WORKDIR /workspace
ENTRYPOINT ["mim"]
CMD ["--help"]
