"""Models of transformers of random weights, small enough to be made for every test."""

from __future__ import annotations

from pathlib import Path

import tiny
import torch
import transformers


def tokenizer(folder: Path, length: int) -> object:
    from tokenizers import Tokenizer, processors

    tiny.tokenizer(folder / "made.json")
    made = Tokenizer.from_file(str(folder / "made.json"))
    (folder / "made.json").unlink()
    made.add_special_tokens(["[END]"])
    made.post_processor = processors.TemplateProcessing("$A [END]", special_tokens=[("[END]", len(tiny.WORDS))])
    options = {"pad_token": "[PAD]", "unk_token": "[UNK]", "eos_token": "[END]", "model_max_length": length}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **options)


def model(folder: Path, kind: str) -> tuple[object, object, object]:
    """A folder with a small CLIP or SigLIP of random weights; the model, its processor and its tokenizer."""
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    layers = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
    text = {
        **layers,
        "vocab_size": 20,
        "max_position_embeddings": 9,
        "eos_token_id": len(tiny.WORDS),
        "pad_token_id": 0,
    }
    vision = {**layers, "image_size": 32, "patch_size": 8}
    if kind == "clip":
        from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil as Processor

        made = transformers.CLIPModel(
            transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
        ).eval()
        processor = Processor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    else:
        from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil as Processor

        made = transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision)).eval()
        processor = Processor(size={"height": 32, "width": 32}, resample=3)
    for parameter in made.parameters():  # as they are drawn, all rows are nearly the same
        torch.nn.init.normal_(parameter, std=0.3)
    made.save_pretrained(folder)
    processor.save_pretrained(folder)
    words = tokenizer(folder, 9)
    words.save_pretrained(folder)
    return made, processor, words


def features(output):
    rows = output if isinstance(output, torch.Tensor) else output.pooler_output
    return (rows / rows.norm(dim=-1, keepdim=True)).numpy()
