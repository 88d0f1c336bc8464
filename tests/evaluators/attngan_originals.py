"""AttnGAN's two encoders in PyTorch with random weights, their files and their outputs.

Run as a program, ``python attngan_originals.py FOLDER``: torchvision and TensorFlow each bring an
LLVM and abort when they meet in one process.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import torch
from load_torchvision import torchvision

WORDS = ["this", "bird", "has", "red", "wings"]


class Text(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.Embedding(len(WORDS) + 1, 300)
        self.rnn = torch.nn.LSTM(300, 128, 1, batch_first=True, bidirectional=True)

    def forward(self, tokens, lengths):
        packed = torch.nn.utils.rnn.pack_padded_sequence(
            self.encoder(tokens), lengths, batch_first=True
        )
        words, (state, _) = self.rnn(packed)
        words = torch.nn.utils.rnn.pad_packed_sequence(words, batch_first=True)[0]
        return words, state.transpose(0, 1).reshape(len(tokens), -1)


class Picture(torch.nn.Module):
    def __init__(self):
        super().__init__()
        whole = torchvision.models.inception_v3(weights=None, init_weights=False)
        for name, child in whole.named_children():
            if name.startswith(("Conv2d", "Mixed")):
                setattr(self, name, child)
        self.emb_features = torch.nn.Conv2d(768, 256, 1, bias=False)
        self.emb_cnn_code = torch.nn.Linear(2048, 256)

    def forward(self, x):
        pool = torch.nn.functional.max_pool2d
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(pool(x, 3, 2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(pool(x, 3, 2))))
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))
        local = self.Mixed_6e(self.Mixed_6d(x))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(local)))
        return self.emb_features(local), self.emb_cnn_code(x.mean((2, 3)))


def main(folder: Path) -> None:
    torch.manual_seed(0)
    text, picture = Text().eval(), Picture().eval()
    for module in picture.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                tensor.data.uniform_(0.5, 1.5)
    torch.save(text.state_dict(), folder / "text.pth")
    torch.save(picture.state_dict(), folder / "image.pth")
    ids = {0: "<end>", **dict(enumerate(WORDS, start=1))}
    captions = [[], [], ids, {word: index for index, word in ids.items()}]
    (folder / "captions.pickle").write_bytes(pickle.dumps(captions, protocol=2))
    seen = np.random.default_rng(2).uniform(-1, 1, (1, 299, 299, 3)).astype(np.float32)
    with torch.no_grad():
        words, sentence = text(torch.tensor([[1, 2, 3, 4, 5], [2, 3, 4, 0, 0]]), [5, 3])
        regions, code = picture(torch.tensor(seen.transpose(0, 3, 1, 2)))
    found = {"words": words, "sentence": sentence, "regions": regions, "code": code}
    arrays = {name: value.numpy() for name, value in found.items()}
    np.savez(folder / "outputs.npz", picture=seen, **arrays)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
