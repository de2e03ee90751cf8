# hvae on a CPU:  docker build -t hvae . && docker run --rm -v "$PWD/runs:/runs" hvae train digits --out /runs/digits
FROM python:3.12-slim

WORKDIR /hvae
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY src src
# torch first and from its own index of CPU builds: the default one brings gigabytes of CUDA.
RUN pip install --no-cache-dir -c constraints.txt --index-url https://download.pytorch.org/whl/cpu torch \
 && pip install --no-cache-dir -c constraints.txt '.[codec,parquet,audio,music,text]'

RUN useradd --create-home user
USER user
WORKDIR /home/user
ENTRYPOINT ["hvae"]
CMD ["--help"]
