"""Names, ranks and roles of the parameters of public models: one block of each kind of layer.

Facts read in the layers' sources: a role says what the layer does with the parameter, whatever it
is called. ``weight``: multiplied with the inputs, or mixes features; ``lora``: a low-rank factor
of such a weight; ``embedding``, ``position`` (absolute, and tables of relative biases), ``token``
(a learned row: class, mask, query, constant input); ``bias``: added; ``norm``: scale of a
normalisation; ``scale``: gain, gate, temperature, weight-norm magnitude; ``state``: recurrences,
time steps, standard deviations, clip bounds.

A line reads ``role rank names``: ``2+1`` is rank 2 stacked along one axis more by a scan or vmap;
braces expand as in a shell; ``name@Class`` names the module class that holds it, where the tree
keeps classes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

ROLES = ["weight", "lora", "embedding", "position", "token", "bias", "norm", "scale", "state"]


class Row(NamedTuple):
    """One parameter: its leaf name, rank (of one layer), stacked axes, role, owner's class."""

    name: str
    rank: int
    stacked: int
    role: str
    owner: str | None


def rows(table: str) -> list[Row]:
    """The parameters of a table, in its order."""
    return [row for line in table.strip().splitlines() for row in _line(line)]


def _line(line: str) -> Iterator[Row]:
    role, rank, *names = line.split()
    own, _, stacked = rank.partition("+")
    for name in (n for pattern in names for n in _expanded(pattern)):
        leaf, _, owner = name.partition("@")
        yield Row(leaf, int(own), int(stacked or 0), role, owner or None)


def _expanded(pattern: str) -> list[str]:
    brace = re.search(r"\{([^{}]*)\}", pattern)
    if not brace:
        return [pattern]
    head, tail = pattern[: brace.start()], pattern[brace.end() :]
    return [n for choice in brace[1].split(",") for n in _expanded(head + choice + tail)]


def tree(table: list[Row]) -> dict[str, Any]:
    """Nested dictionaries of arrays with these names and ranks; owners are left out."""
    nested: dict[str, Any] = {}
    for row in table:
        *path, last = row.name.split("/")
        node = nested
        for segment in path:
            node = node.setdefault(segment, {})
        node[last] = jax.ShapeDtypeStruct((2,) * (row.rank + row.stacked), jnp.float32)
    return nested


LINEN = {
    # google-research/big_vision models/vit.py, mlp_mixer.py, bit_paper.py
    "big_vision ViT": """
        weight 4 embedding/kernel
        position 3 pos_embedding
        token 3 cls MAPHead_0/probe
        norm 1 Transformer/encoderblock_0/LayerNorm_{0,1}/scale Transformer/encoder_norm/scale
        bias 1 Transformer/encoderblock_0/LayerNorm_{0,1}/bias Transformer/encoder_norm/bias
        weight 3 Transformer/encoderblock_0/MultiHeadDotProductAttention_0/{query,key,value}/kernel
        bias 2 Transformer/encoderblock_0/MultiHeadDotProductAttention_0/{query,key,value}/bias
        weight 3 Transformer/encoderblock_0/MultiHeadDotProductAttention_0/out/kernel
        bias 1 Transformer/encoderblock_0/MultiHeadDotProductAttention_0/out/bias
        weight 2 Transformer/encoderblock_0/MlpBlock_0/Dense_{0,1}/kernel
        bias 1 Transformer/encoderblock_0/MlpBlock_0/Dense_{0,1}/bias embedding/bias
        weight 2 pre_logits/kernel head/kernel
        bias 1 pre_logits/bias head/bias""",
    "big_vision ViT, scanned": """
        norm 1+1 Transformer/encoderblock/LayerNorm_0/scale
        bias 1+1 Transformer/encoderblock/{LayerNorm_0,MlpBlock_0/Dense_0}/bias
        bias 2+1 Transformer/encoderblock/MultiHeadDotProductAttention_0/query/bias
        weight 3+1 Transformer/encoderblock/MultiHeadDotProductAttention_0/{query,out}/kernel
        weight 2+1 Transformer/encoderblock/MlpBlock_0/Dense_0/kernel""",
    "big_vision MLP-Mixer": """
        weight 4 stem/kernel
        weight 2 MixerBlock_0/{token,channel}_mixing/Dense_{0,1}/kernel head/kernel
        bias 1 stem/bias MixerBlock_0/token_mixing/Dense_0/bias pre_head_layer_norm/bias head/bias
        norm 1 MixerBlock_0/LayerNorm_{0,1}/scale pre_head_layer_norm/scale""",
    "big_vision SigLIP": """
        weight 4 img/embedding/kernel
        embedding 2 txt/Embed_0/embedding
        position 3 txt/pos_embedding
        weight 2 txt/head/kernel
        scale 1 t
        bias 1 b""",
    "big_vision BiT": """
        weight 4 root_block/conv_root/kernel block1/unit01/{a,b,c}/conv{1,2,3}/kernel
        norm 4 norm-pre-head/scale block1/unit01/a/gn/scale
        bias 4 norm-pre-head/bias block1/unit01/a/gn/bias
        weight 2 head/kernel""",
    # google-research/scenic
    "Scenic ViT and vitdet": """
        position 3 Transformer/posembed_input/pos_embedding
        token 3 cls
        weight 4 embedding/kernel
        weight 2 Transformer/encoderblock_0/MlpBlock_0/Dense_0/kernel output_projection/kernel
        weight 2 backbone/blocks.0/attn/qkv/kernel
        bias 1 backbone/blocks.0/attn/{q,v}_bias output_projection/bias
        position 2 backbone/blocks.0/attn/rel_pos_{h,w}
        scale 1 backbone/blocks.0/gamma_{1,2} rezero_alpha
        bias 1 gated/b_g
        bias 3 embedding_bias
        position 4 backbone/pos_embed
        scale 0 clip/logit_scale""",
    # google-research/t5x examples, scanned in scalable_t5; google/flaxformer
    "T5X": """
        embedding 2 token_embedder/embedding
        position 2 encoder/relpos_bias/rel_embedding
        norm 1 encoder/layers_0/pre_{attention,mlp}_layer_norm/scale encoder/encoder_norm/scale
        weight 2 encoder/layers_0/attention/{query,key,value,out}/kernel
        weight 2 encoder/layers_0/mlp/{wi_0,wi_1,wo}/kernel decoder/logits_dense/kernel
        weight 3+1 decoder/layers/self_attention/{query,key,value,out}/kernel
        weight 2+1 decoder/layers/mlp/wi_0/kernel
        norm 1+1 decoder/layers/pre_self_attention_layer_norm/scale""",
    "Flaxformer": """
        weight 2 encoder/layers_0/mlp/wi_fused/kernel router/router_weights/w/kernel
        bias 1 router/router_weights/w/bias
        weight 3 expert/mlp/wi/kernel
        position 2 encoder/relpos_bias/rel_embedding position_embedder/pos_embedding
        norm 1 encoder/layers_0/pre_attention_layer_norm/scale
        scale 1 logit_scaling/learnable_scalar logit_scaling_and_bias/learnable_weight
        bias 1 logit_scaling_and_bias/learnable_bias""",
    # AI-Hypercomputer/maxtext: decoder layers stacked along axis 1
    "MaxText": """
        embedding 2 token_embedder/embedding
        norm 1+1 decoder/layers/{pre,post}_self_attention_layer_norm/scale
        norm 1+1 decoder/layers/self_attention/{query,key}_norm/scale
        norm 1+1 decoder/layers/pre_ffw_norm_local/scale
        weight 3+1 decoder/layers/self_attention/{query,key,value,out}/kernel
        bias 2+1 decoder/layers/self_attention/{query,key,value}/bias
        weight 2+1 decoder/layers/mlp/{wi_0,wi_1,wo}/kernel
        weight 2+1 decoder/layers/MoeBlock_0/gate/kernel
        bias 1+1 decoder/layers/MoeBlock_0/gate/bias
        weight 3+1 decoder/layers/MoeBlock_0/{wi_0,wi_1,wo}
        bias 2+1 decoder/layers/MoeBlock_0/{wi_0_bias,wi_1_bias,wo_bias}
        scale 1+1 decoder/layers/MoeBlock_0/per_expert_scale
        state 1+1 decoder/layers/self_attention/sinks decoder/layers/attention/{A_log,dt_bias}
        weight 2+1 decoder/layers/self_attention/{wq_a,wkv_a}/kernel
        norm 1+1 decoder/layers/self_attention/{q_norm,kv_norm}/scale
        scale 1+1 decoder/layers/mhc/{res,pre,post}_alpha_scale decoder/layers/layer_scalar
        weight 2+1 decoder/layers/mhc/{res,pre,post}_alpha
        bias 1+1 decoder/layers/mhc/{pre,post}_beta
        bias 2+1 decoder/layers/mhc/res_beta
        norm 1 decoder/decoder_norm/scale
        weight 2 decoder/logits_dense/kernel""",
    # google-deepmind/gemma gm/nn, gm/nn/gemma3n, gm/nn/gemma4, peft
    "Gemma": """
        embedding 2 embedder/input_embedding
        weight 2 embedder/mm_input_projection/w layer_0/mlp/linear
        norm 1 embedder/mm_soft_embedding_norm/scale layer_0/{pre_attention,post_ffw}_norm/scale
        weight 3 layer_0/attn/{q_einsum,attn_vec_einsum}/w layer_0/mlp/gating_einsum
        weight 4 layer_0/attn/{kv_einsum,qkv_einsum}/w
        lora 3 layer_0/attn/q_einsum/lora/{a,b}
        lora 2 head/lora/{a,b}
        weight 2 head/kernel
        norm 1 layer_0/attn/_{query,key}_norm/scale final_norm/scale
        weight 2 layer_0/mlp/router_logits/w layer_0/altup/{correction_coefs,modality_router/w}
        weight 3 layer_0/altup/prediction_coefs
        scale 1 layer_0/skip_scale layer_0/mlp/{per_expert_scale,router_scale}
        scale 1 layer_0/altup/correct_output_scale audio/attn/per_dim_scale
        weight 2 vision/proj/w
        state 0 vision/proj/clip_{input,output}_{min,max}
        position 3 vision/pos_emb_param""",
    # Physical-Intelligence/openpi models/lora.py, gemma.py (scanned)
    "openpi": """
        weight 3+1 PaliGemma/llm/layers/attn/q_einsum/w PaliGemma/llm/layers/mlp_1/gating_einsum
        lora 3+1 PaliGemma/llm/layers/attn/q_einsum/lora_{a,b}
        lora 3+1 PaliGemma/llm/layers/mlp_1/gating_einsum_lora_{a,b}
        weight 2+1 PaliGemma/llm/layers/mlp_1/linear
        lora 2+1 PaliGemma/llm/layers/mlp_1/linear_lora_{a,b}
        norm 1+1 PaliGemma/llm/layers/pre_attention_norm_1/scale
        norm 1 PaliGemma/llm/final_norm_1/scale
        embedding 2 PaliGemma/llm/embedder/input_embedding""",
    # young-geng/EasyLM models/llama
    "EasyLM": """
        embedding 2 transformer/wte/embedding
        weight 2 transformer/h/0/attention/{wq,wk,wv,wo}/kernel
        weight 2 transformer/h/0/feed_forward/{w1,w2,w3}/kernel lm_head/kernel
        norm 1 transformer/h/0/{attention_norm,ffn_norm}/kernel transformer/ln_f/kernel""",
    # google-deepmind/nanodo, cgarciae/nanoGPT-jax, jenkspt/gpt-jax
    "nanodo": """
        embedding 2 embed/embedding
        position 2 pos_embed/embedding
        weight 3 blocks_0/CausalAttn_0/{query,key,value,attn_out_proj}/kernel
        weight 2 blocks_0/Mlp_0/Dense_{0,1}/kernel
        norm 1 blocks_0/LayerNorm_{0,1}/scale out_ln/scale""",
    "nanoGPT-jax": """
        embedding 2 wte/embedding
        position 2 wpe/embedding
        norm 1 0/ln_{1,2}/scale ln_f/scale
        bias 1 0/ln_{1,2}/bias ln_f/bias 0/attn/{c_attn,c_proj}/bias 0/mlp/{c_fc,c_proj}/bias
        weight 2 0/attn/{c_attn,c_proj}/kernel 0/mlp/{c_fc,c_proj}/kernel""",
    # huggingface/transformers modeling_flax_*
    "HF Flax BERT and RoFormer": """
        embedding 2 bert/embeddings/{word,token_type}_embeddings/embedding
        position 2 bert/embeddings/position_embeddings/embedding
        norm 1 bert/embeddings/LayerNorm/scale cls/predictions/transform/LayerNorm/scale
        bias 1 bert/embeddings/LayerNorm/bias cls/predictions/{bias,transform/dense/bias}
        weight 2 bert/encoder/layer/0/attention/self/{query,key,value}/kernel
        bias 1 bert/encoder/layer/0/attention/self/{query,key,value}/bias
        weight 2 bert/encoder/layer/0/{attention/output,intermediate,output}/dense/kernel
        norm 1 bert/encoder/layer/0/{attention/output,output}/LayerNorm/scale
        weight 2 bert/pooler/dense/kernel cls/{predictions/decoder,seq_relationship}/kernel""",
    "HF Flax GPT-2 and BART": """
        embedding 2 transformer/wte/embedding
        position 2 transformer/wpe/embedding
        norm 1 transformer/h/0/ln_{1,2}/scale transformer/ln_f/scale
        bias 1 transformer/h/0/ln_{1,2}/bias transformer/h/0/attn/c_attn/bias
        weight 2 transformer/h/0/attn/{c_attn,c_proj}/kernel transformer/h/0/mlp/c_fc/kernel
        norm 1 transformer/h/0/ln_cross_attn/scale model/encoder/layernorm_embedding/scale
        bias 2 final_logits_bias""",
    "HF Flax T5 and Llama": """
        embedding 2 shared/embedding model/embed_tokens/embedding
        weight 2 encoder/block/0/layer/0/SelfAttention/{q,k,v,o}/kernel
        position 2 encoder/block/0/layer/0/SelfAttention/relative_attention_bias/embedding
        norm 1 encoder/block/0/layer/{0,1}/layer_norm/weight encoder/final_layer_norm/weight
        weight 2 encoder/block/0/layer/1/DenseReluDense/{wi_0,wi_1,wo}/kernel lm_head/kernel
        weight 2 model/layers/0/self_attn/{q_proj,o_proj}/kernel model/layers/0/mlp/up_proj/kernel
        norm 1 model/layers/0/{input,post_attention}_layernorm/weight model/norm/weight""",
    "HF Flax CLIP": """
        scale 0 logit_scale
        token 1 vision_model/embeddings/class_embedding
        weight 4 vision_model/embeddings/patch_embedding/kernel
        position 2 {text,vision}_model/embeddings/position_embedding/embedding
        embedding 2 text_model/embeddings/token_embedding/embedding
        norm 1 vision_model/{pre_layrnorm,post_layernorm}/scale
        bias 1 vision_model/{pre_layrnorm,post_layernorm}/bias
        norm 1 text_model/encoder/layers/0/layer_norm{1,2}/scale text_model/final_layer_norm/scale
        weight 2 text_model/encoder/layers/0/{self_attn/q_proj,mlp/fc1}/kernel
        weight 2 {visual,text}_projection/kernel""",
    "HF Flax Whisper": """
        weight 3 model/encoder/conv{1,2}/kernel
        position 2 model/{encoder,decoder}/embed_positions/embedding
        embedding 2 model/decoder/embed_tokens/embedding
        weight 2 model/decoder/layers/0/encoder_attn/{q_proj,out_proj}/kernel
        norm 1 model/decoder/layers/0/{self_attn,encoder_attn,final}_layer_norm/scale
        bias 1 model/decoder/layers/0/encoder_attn_layer_norm/bias model/encoder/conv1/bias
        norm 1 model/encoder/layer_norm/scale""",
    "HF Flax BEiT, DINOv2, wav2vec2": """
        token 3 beit/embeddings/{cls_token,mask_token}
        position 3 dinov2/embeddings/position_embeddings
        scale 1 beit/encoder/layer/0/lambda_{1,2} dinov2/encoder/layer/0/layer_scale{1,2}/lambda1
        norm 1 dinov2/encoder/layer/0/norm{1,2}/scale beit/encoder/layer/0/layernorm_before/scale
        position 2 beit/encoder/layer/0/relative_position_bias/relative_position_bias_table
        weight 2 dinov2/encoder/layer/0/attention/attention/query/kernel
        weight 3 encoder/pos_conv_embed/conv/weight_v
        scale 3 encoder/pos_conv_embed/conv/weight_g
        bias 1 encoder/pos_conv_embed/conv/bias
        embedding 3 quantizer/codevectors
        token 1 masked_spec_embed""",
    "diffusers Flax UNet": """
        weight 4 conv_in/kernel down_blocks_0/resnets_0/{conv1,conv2,conv_shortcut}/kernel
        weight 2 down_blocks_0/resnets_0/time_emb_proj/kernel time_embedding/linear_{1,2}/kernel
        norm 1 down_blocks_0/resnets_0/norm{1,2}/scale conv_norm_out/scale
        bias 1 down_blocks_0/resnets_0/{norm1,conv1}/bias conv_norm_out/bias
        norm 1 down_blocks_0/attentions_0/norm/scale
        norm 1 down_blocks_0/attentions_0/transformer_blocks_0/norm{1,2,3}/scale
        weight 2 down_blocks_0/attentions_0/transformer_blocks_0/attn1/{to_q,to_out_0}/kernel
        weight 2 down_blocks_0/attentions_0/transformer_blocks_0/ff/{net_0/proj,net_2}/kernel""",
    # state spaces: radarFudan/mamba-minimal-jax, lindermanlab/S5, NicolasZucchet/minimal-LRU,
    # srush/annotated-s4 (one copy a feature, stacked), irhum/hyena
    "Mamba in Linen": """
        embedding 2 embedding/embedding
        norm 1 layers_0/norm/weight norm_f/weight
        weight 2 layers_0/mixer/{in_proj,x_proj,dt_proj,out_proj}/kernel
        bias 1 layers_0/mixer/dt_proj/bias layers_0/mixer/conv1d/bias
        weight 3 layers_0/mixer/conv1d/kernel
        state 2 layers_0/mixer/A_log
        state 1 layers_0/mixer/D""",
    "S5": """
        weight 2 encoder/encoder/kernel encoder/layers_0/out{1,2}/kernel decoder/kernel
        norm 1 encoder/layers_0/norm/scale
        bias 1 encoder/layers_0/norm/bias encoder/layers_0/out2/bias
        state 1 encoder/layers_0/seq/{Lambda_re,Lambda_im,D}
        state 2 encoder/layers_0/seq/log_step
        weight 3 encoder/layers_0/seq/{B,C,C1,C2}""",
    "LRU": """
        weight 2 layers_0/seq/{B_re,B_im,C_re,C_im} encoder/kernel
        state 1 layers_0/seq/{nu_log,theta_log,gamma_log,D}
        norm 1 layers_0/normalization/scale
        bias 1 layers_0/normalization/bias""",
    "S4 and S4D": """
        state 1+1 layers_0/seq/{Lambda_re,Lambda_im,P,D,log_step}
        weight 1+1 layers_0/seq/B
        weight 2+1 layers_0/seq/C
        state 1+1 s4d/seq/{A_re,A_im}
        weight 1+1 s4d/seq/{B_re,B_im}
        weight 2 layers_0/out/kernel
        norm 1 layers_0/norm/scale""",
    "Hyena": """
        weight 2 operator/{in_proj,out_proj}/kernel operator/filter_fn/Dense_{0,1}/kernel
        weight 3 operator/short_filter/kernel
        bias 1 operator/{in_proj,out_proj,short_filter}/bias
        scale 4 operator/bias""",  # multiplies the signal: a diagonal, not an addition
    # google-deepmind/recurrentgemma
    "RecurrentGemma": """
        embedding 2 embedder/input_embedding
        norm 1 blocks.0/{temporal,channel}_pre_norm/scale final_norm/scale
        weight 2 blocks.0/recurrent_block/linear_{x,y,out}/kernel blocks.0/recurrent_block/conv_1d/w
        bias 1 blocks.0/recurrent_block/linear_{x,y,out}/bias blocks.0/recurrent_block/conv_1d/b
        weight 3 blocks.0/recurrent_block/rg_lru/{a_gate,input_gate}/w
        bias 2 blocks.0/recurrent_block/rg_lru/{a_gate,input_gate}/b
        state 1 blocks.0/recurrent_block/rg_lru/{a_param,a_imag_param}
        weight 3 blocks.0/mlp_block/ffw_up/w
        bias 4 blocks.0/mlp_block/ffw_up/b""",
    # google/brax, ikostrikov/jaxrl, google-deepmind/acme
    "brax": """
        weight 2 params/policy/MLP_0/hidden_{0,1}/kernel params/value/hidden_0/kernel
        bias 1 params/policy/MLP_0/hidden_{0,1}/bias params/value/hidden_0/bias
        norm 1 params/value/layer_norm_0/scale
        state 1 params/policy/std_param/value params/policy/std_logparam/log_value
        state 0 log_alpha""",
    "jaxrl and acme": """
        weight 2 actor/MLP_0/Dense_0/kernel
        bias 1 actor/MLP_0/Dense_0/bias
        state 1 actor/log_stds dual/log_alpha_{mean,stddev} dual/log_{penalty_,}temperature
        weight 3 actor/masked/kernel
        state 0 temperature/log_temp""",
    # DarshanDeshpande/jax-models, matthias-wright/flaxmodels, rwightman/efficientnet-jax
    "ConvNeXt, CaiT, VAN, Swin in Linen": """
        weight 4 stages_0/dwconv/kernel
        weight 2 stages_0/pwconv{1,2}/kernel cait_0/attn/qkv/kernel
        norm 1 stages_0/norm/scale van_0/norm1/scale
        bias 1 stages_0/norm/bias stages_0/dwconv/bias
        scale 1 stages_0/gamma cait_0/gamma_{1,2} van_0/layer_scale_{1,2}
        token 3 cls_token
        position 3 pos_embed abs_pos_emb
        position 2 swin_0/attn/relative_position_bias_table
        scale 1 prelu/alpha""",
    "StyleGAN2": """
        weight 4 synthesis_network/block_0/layer_0/weight discriminator/conv_0/weight
        weight 2 mapping_network/fc0/weight synthesis_network/block_0/layer_0/affine/weight
        bias 1 synthesis_network/block_0/layer_0/bias mapping_network/fc0/bias
        scale 0 synthesis_network/block_0/layer_0/noise_strength
        token 4 synthesis_network/const""",
    "EfficientNet in Linen": """
        weight 4 conv_stem/kernel blocks_0/conv_{dw,pw}/kernel blocks_0/se/{reduce,expand}/kernel
        bias 1 blocks_0/se/{reduce,expand}/bias blocks_0/bn_{dw,pw}/bias bn1/bias head/bias
        norm 1 blocks_0/bn_{dw,pw}/scale bn1/scale
        weight 2 head/kernel""",
    "jaxnerf": """
        weight 2 MLP_0/Dense_{0,1}/kernel
        bias 1 MLP_0/Dense_{0,1}/bias""",
    # dorjeduck/efficient-kan-jax
    "efficient KAN": """
        weight 2 layers_0/base_weight
        weight 3 layers_0/spline_weight
        scale 2 layers_0/spline_scaler
        state 2 layers_0/grid""",
    # danijar/dreamerv3, flat names
    "DreamerV3": """
        weight 2 dyn/dynin0/kernel
        weight 3 dyn/dyngru/kernel
        norm 1 dyn/dynin0norm/scale enc/normq/scale
        bias 1 dyn/dynin0norm/shift dyn/dynin0/bias dyn/dyngru/bias
        embedding 2 enc/embed/table
        weight 4 dec/imgout/kernel""",
    # google/flax: linen and the variables that its wrappers rename
    "Linen layers": """
        weight 2 WeightNorm_0/Dense_0/kernel lstm/{ii,hf}/kernel Dense_0/kernel
        scale 1 WeightNorm_0/Dense_0/kernel.scale PReLU_0/negative_slope
        weight 3 Einsum_0/kernel ConvLocal_0/kernel
        bias 2 Einsum_0/bias ConvLocal_0/bias
        bias 1 lstm/hf/bias BatchNorm_0/bias
        norm 1 BatchNorm_0/scale GroupNorm_0/scale RMSNorm_0/scale""",
}

HAIKU = {
    # google-deepmind/alphafold model/modules.py, folding.py; the evoformer is stacked
    "AlphaFold": """
        weight 3+1 evoformer/evoformer_iteration/row_attention/attention/{query,key,value}_w
        weight 3+1 evoformer/evoformer_iteration/row_attention/attention/{gating,output}_w
        bias 2+1 evoformer/evoformer_iteration/row_attention/attention/gating_b
        bias 1+1 evoformer/evoformer_iteration/row_attention/attention/output_b
        weight 2+1 evoformer/evoformer_iteration/msa_row_attention_with_pair_bias/feat_2d_weights
        norm 1+1 evoformer/evoformer_iteration/row_attention/{query,feat_2d}_norm/scale
        bias 1+1 evoformer/evoformer_iteration/row_attention/{query,feat_2d}_norm/offset
        weight 3+1 evoformer/evoformer_iteration/outer_product_mean/output_w
        bias 1+1 evoformer/evoformer_iteration/outer_product_mean/output_b
        weight 2+1 evoformer/evoformer_iteration/triangle_multiplication/left_gate/weights
        bias 1+1 evoformer/evoformer_iteration/triangle_multiplication/left_gate/bias
        norm 1 evoformer/prev_pair_norm/scale structure_module/single_layer_norm/scale
        scale 1 structure_module/fold_iteration/invariant_point_attention/trainable_point_weights
        weight 2 predicted_lddt_head/logits/weights
        bias 1 predicted_lddt_head/logits/bias""",
    # google-deepmind/graphcast: GraphCast, GenCast
    "GraphCast and GenCast": """
        weight 2 grid2mesh_gnn/~_networks_builder/encoder_edges_grid2mesh_mlp/~/linear_0/w
        bias 1 grid2mesh_gnn/~_networks_builder/encoder_edges_grid2mesh_mlp/~/linear_0/b
        norm 1 grid2mesh_gnn/~_networks_builder/encoder_edges_grid2mesh_layer_norm/scale
        bias 1 grid2mesh_gnn/~_networks_builder/encoder_edges_grid2mesh_layer_norm/offset
        weight 2 mesh_gnn/processor_edges_norm_conditioning/norm_conditioning_linear/w
        bias 1 mesh_gnn/processor_edges_norm_conditioning/norm_conditioning_linear/b
        weight 2 decoder/output/w_2m_temperature
        bias 1 decoder/output/b_2m_temperature
        weight 3 decoder/stacked_linear/w
        bias 2 decoder/stacked_linear/b""",
    # google-deepmind/deepmind-research nfnets, byol, perceiver, wikigraphs
    "NFNet": """
        weight 4 nf_net/~/stem_conv0/w nf_net/~/nf_block/~/conv0/w
        scale 1 nf_net/~/stem_conv0/gain nf_net/~/nf_block/~/conv0/gain
        bias 1 nf_net/~/stem_conv0/bias nf_net/~/linear/b
        scale 0 nf_net/~/nf_block/skip_gain fixup_res_block/scale
        bias 0 fixup_res_block/bias{1a,1b,2a}
        weight 2 nf_net/~/linear/w""",
    "BYOL and Haiku ResNet": """
        weight 4 res_net50/~/initial_conv/w
        norm 4 res_net50/~/initial_batchnorm/scale
        bias 4 res_net50/~/initial_batchnorm/offset
        weight 2 predictor/linear/w
        bias 1 predictor/linear/b
        norm 1 predictor/batch_norm/scale
        bias 1 predictor/batch_norm/offset""",
    "Perceiver": """
        position 2 perceiver_encoder/~/trainable_position_encoding/pos_embs
        weight 2 perceiver_encoder/~/cross_attention/attention/linear{,_1,_2,_3}/w
        bias 1 perceiver_encoder/~/cross_attention/attention/linear{,_1,_2,_3}/b
        norm 1 perceiver_encoder/~/cross_attention/layer_norm{,_1,_2}/scale
        bias 1 perceiver_encoder/~/cross_attention/layer_norm{,_1,_2}/offset embedding_decoder/bias
        embedding 2 embed/embeddings
        bias 4 transformer_xl/r_{w,r}_bias""",
    "Grok-1": """
        embedding 2 language_model/in_out_embed/embeddings
        weight 2 transformer/decoder_layer_0/multi_head_attention/{query,key,value,linear}/w
        norm 1 transformer/decoder_layer_0/rms_norm{,_1,_2,_3}/scale
        weight 2 transformer/decoder_layer_0/router/w
        weight 3 transformer/decoder_layer_0/moe/linear{,_v,_1}/w""",
    "Haiku layers": """
        weight 2 mlp/~/linear_0/w lstm/linear/w gru/{w_i,w_h}
        bias 1 mlp/~/linear_0/b gru/b
        embedding 2 embed/embeddings
        norm 1 layer_norm/scale rms_norm/scale
        bias 1 layer_norm/offset bias/b
        weight 4 conv2_d_transpose/w""",
}

NNX = {
    # google/tunix models, with low-rank factors added by google/qwix
    "tunix Llama and Qwen": """
        embedding 2 embedder/input_embedding@Embedder
        weight 3 layers/0/attn/{q_proj,k_proj,v_proj,o_proj}/w@Einsum
        norm 1 layers/0/attn/{q_norm,k_norm}/w@RMSNorm layers/0/input_layernorm/w@RMSNorm
        norm 1 layers/0/post_attention_layernorm/w@RMSNorm final_norm/w@RMSNorm
        bias 1 layers/0/attn/{q,k,v}_bias@Attention
        lora 2 layers/0/attn/q_proj/w_lora_{a,b}@Einsum
        weight 2 layers/0/mlp/{gate,up,down}_proj/kernel@Linear lm_head/w@Einsum
        lora 2 layers/0/mlp/up_proj/kernel_lora_{a,b}@Linear
        weight 2 layers/1/mlp/router/kernel@Linear
        weight 3 layers/1/mlp/{gate,up,down}_proj@MoELayer""",
    "tunix Gemma": """
        weight 4 layers/0/attn/{qkv_einsum,kv_einsum}/w@Einsum
        weight 3 layers/0/attn/attn_vec_einsum/w@Einsum
        norm 1 layers/0/{pre_attention,post_ffw}_norm/scale@RMSNorm final_norm/scale@RMSNorm
        weight 2 layers/0/moe/router_logits@MoERagged
        weight 4 layers/0/moe/gating_einsum@MoERagged
        weight 3 layers/0/moe/linear@MoERagged
        scale 1 layers/0/moe/{per_expert_scale,router_scale}@MoERagged
        scale 1 layers/0/skip_scale@DecoderLayer audio/attn/per_dim_scale@Attention
        state 0 audio/ffw/clip_{input,output}_{min,max}@ClippedLinear
        weight 2 audio/ffw/kernel@ClippedLinear
        norm 1 vision/norm/scale@LayerNorm
        bias 1 vision/norm/bias@LayerNorm""",
    # erfanzar/EasyDeL
    "EasyDeL Llama and Qwen3-Next": """
        embedding 2 model/embed_tokens/embedding@Embed
        weight 2 model/layers/0/self_attn/{q,k,v}_proj/kernel@ColumnParallelLinear
        weight 2 model/layers/0/self_attn/o_proj/kernel@RowParallelLinear
        norm 1 model/layers/0/input_layernorm/kernel@RMSNorm model/norm/kernel@RMSNorm
        norm 1 model/layers/0/self_attn/{q_norm,k_norm}/kernel@Qwen3NextRMSNorm
        norm 1 model/layers/0/linear_attn/norm/kernel@RMSNormGated
        state 1 model/layers/0/linear_attn/{A_log,dt_bias}@Qwen3NextLinearAttention
        weight 2 model/layers/0/mlp/{gate,shared_expert_gate}/kernel@ColumnParallelLinear
        weight 3 model/layers/0/mlp/experts/up_proj/kernel@ColumnParallelMoELinear
        weight 2 model/layers/1/mlp/gate/kernel@KimiMoEGate
        bias 1 model/layers/1/mlp/gate/e_score_correction_bias@KimiMoEGate
        state 1 model/layers/1/self_attn/sinks@GptOssAttention
        scale 1 model/layers/1/layer_scalar@Gemma4TextDecoderLayer""",
    "EasyDeL Mamba": """
        embedding 2 backbone/embeddings/embedding@Embed
        weight 3 backbone/layers/0/mixer/conv1d/kernel@MambaConv1D
        bias 1 backbone/layers/0/mixer/conv1d/bias@MambaConv1D
        weight 2 backbone/layers/0/mixer/{in,x,dt,out}_proj/kernel@ColumnParallelLinear
        bias 1 backbone/layers/0/mixer/dt_proj/bias@ColumnParallelLinear
        state 2 backbone/layers/0/mixer/A_log@MambaMixer
        state 1 backbone/layers/0/mixer/D@MambaMixer
        norm 1 backbone/layers/0/norm/kernel@RMSNorm backbone/norm_f/kernel@RMSNorm
        state 1 mamba2/layers/0/mixer/{A_log,D,dt_bias}@Mamba2Mixer
        norm 1 mamba2/layers/0/mixer/norm/kernel@MambaRMSNormGated""",
    "EasyDeL RWKV, GPT-2, CLIP": """
        state 1 rwkv/blocks/0/attention/{time_decay,time_first}@RwkvSelfAttention
        state 3 rwkv/blocks/0/attention/time_mix_{key,value,receptance}@RwkvSelfAttention
        weight 2 rwkv/blocks/0/attention/{key,receptance,output}/kernel@ColumnParallelLinear
        norm 1 rwkv/blocks/0/{pre_ln,ln1,ln2}/scale@LayerNorm
        bias 1 rwkv/blocks/0/{pre_ln,ln1,ln2}/bias@LayerNorm
        weight 2 gpt2/h/0/attn/c_attn/kernel@Conv1D
        bias 1 gpt2/h/0/attn/c_attn/bias@Conv1D
        norm 1 gpt2/ln_f/scale@LayerNorm
        position 2 gpt2/wpe/embedding@Embed
        token 1 clip/vision_model/embeddings/class_embedding@CLIPVisionEmbeddings
        scale 0 clip/logit_scale@CLIPModel
        bias 1 siglip/logit_bias@SiglipModel
        weight 2 siglip/head/attention/in_proj_weight@MultiheadAttention
        bias 1 siglip/head/attention/in_proj_bias@MultiheadAttention
        norm 2 cohere/self_attn/q_norm/kernel@RMSNorm""",
    "flax.nnx layers": """
        weight 2 linear/kernel@Linear
        bias 1 linear/bias@Linear
        lora 2 lora_linear/lora/lora_{a,b}@LoRA
        weight 2 lora_linear/kernel@LoRALinear
        scale 0 prelu/negative_slope@PReLU
        norm 1 norm/scale@RMSNorm
        weight 3 attention/query/kernel@LinearGeneral
        bias 2 attention/query/bias@LinearGeneral""",
    # srigas/jaxKAN: beta of ActLayer holds basis coefficients, alpha and beta of RGABlock are gates
    "jaxKAN": """
        weight 3 layers/0/c_basis@ChebyshevLayer
        weight 2 layers/0/{c_res,c_ext}@ChebyshevLayer
        bias 1 layers/0/bias@ChebyshevLayer dense/b@DenseLayer
        scale 1 dense/g@DenseLayer
        weight 2 dense/v@DenseLayer act/{beta,Lambda}@ActLayer
        scale 0 blocks/0/{alpha,beta}@RGABlock
        scale 2 sine/omega@SineLayer
        bias 2 sine/phase@SineLayer""",
}

EQUINOX = {
    # stanford-crfm/levanter on haliax: boxes around arrays, layers stacked
    "Levanter Llama and Mixtral": """
        embedding 2 embeddings/token_embeddings/weight@Embedding
        weight 4+1 transformer/layers/stacked/self_attn/q_proj/weight@Linear
        bias 3+1 transformer/layers/stacked/self_attn/q_proj/bias@Linear
        weight 3+1 transformer/layers/stacked/self_attn/{k,v,o}_proj/weight@Linear
        bias 2+1 transformer/layers/stacked/self_attn/{k,v}_proj/bias@Linear
        norm 1+1 transformer/layers/stacked/self_attn/{q,k}_norm/weight@RmsNorm
        norm 1+1 transformer/layers/stacked/{input,post_attention}_layernorm/weight@RmsNorm
        weight 2+1 transformer/layers/stacked/mlp/{gate,up,down}_proj/weight@Linear
        norm 1+1 transformer/layers/stacked/pre_attn_norm/weight@GemmaRMSNorm
        weight 3+1 transformer/layers/stacked/block_sparse_moe/experts/{w1,w2,w3}/weight@MoELinear
        weight 2+1 transformer/layers/stacked/block_sparse_moe/gate/weight@Linear
        norm 1 transformer/norm/weight@RmsNorm
        lora 2 lora/{lora_A,lora_B}/weight@Linear
        weight 2 lm_head/weight@Linear""",
    "Levanter GPT-2 and Hyena": """
        embedding 2 embeddings/token_embeddings/weight@Embedding
        position 2 embeddings/position_embeddings/weight@Embedding
        weight 4+1 transformer/blocks/stacked/attn/c_attn/weight@Linear
        bias 3+1 transformer/blocks/stacked/attn/c_attn/bias@Linear
        weight 3+1 transformer/blocks/stacked/attn/c_proj/weight@Linear
        norm 1+1 transformer/blocks/stacked/ln_{1,2}/weight@LayerNorm
        bias 1+1 transformer/blocks/stacked/ln_{1,2}/bias@LayerNorm
        norm 1 transformer/ln_f/weight@LayerNorm
        scale 1 filter_fn/implicit_filter/activation/freq@Sin
        weight 3 short_filter/weight@Conv""",
    # vvvm23/mamba-jax
    "mamba-jax": """
        embedding 2 model/embedding/weight@Embedding
        weight 2 model/layers/0/mixer/{in_proj,x_proj,dt_proj,out_proj}/weight@Linear
        bias 1 model/layers/0/mixer/dt_proj/bias@Linear
        weight 3 model/layers/0/mixer/conv1d/weight@Conv1d
        bias 2 model/layers/0/mixer/conv1d/bias@Conv1d
        state 2 model/layers/0/mixer/A_log@MambaBlock
        state 1 model/layers/0/mixer/D@MambaBlock
        norm 1 model/layers/0/norm/weight@RMSNorm""",
    # clementpoiret/Equimo, paganpasta/eqxvision
    "Equimo": """
        token 2 {cls_token,reg_tokens,mask_token}@VisionTransformer
        position 2 global_pos_embed/weight@LearnedPosEmbed
        scale 1 blocks/0/ls1/gamma@LayerScale
        scale 1 blocks/0/norm1/alpha@DyT
        norm 1 blocks/0/norm1/weight@DyT blocks/1/norm1/weight@LayerNorm
        norm 1 blocks/2/mixer/norm/w@RMSNormGated blocks/2/norm/weight@RMSNorm2d
        state 1 blocks/2/mixer/{A_log,D,dt_bias}@Mamba2Mixer
        weight 2 head/last/weight_v@WeightNormLinear blocks/1/attn/qkv/weight@Linear
        scale 2 head/last/weight_g@WeightNormLinear
        bias 1 blocks/0/norm1/bias@DyT""",
    "eqxvision": """
        scale 3 features/0/layer_scale@_CNBlock
        position 2 swin/attn/relative_position_bias_table@_ShiftedWindowAttention
        scale 3 swin/attn/logit_scale@_ShiftedWindowAttentionV2
        token 2 vit/cls_token@VisionTransformer
        position 2 vit/pos_embed@VisionTransformer
        norm 1 vit/blocks/0/norm1/weight@LayerNorm
        weight 4 stem/weight@Conv2d
        bias 3 stem/bias@Conv2d""",
    "Equinox layers": """
        weight 2 gru/weight_{ih,hh}@GRUCell
        bias 1 gru/bias@GRUCell gru/bias_n@GRUCell
        scale 2 weight_norm/g@WeightNorm
        weight 2 weight_norm/layer/weight@Linear
        scale 0 prelu/negative_slope@PReLU
        norm 1 norm/weight@GroupNorm
        weight 1 readout/weight@Linear
        bias 0 readout/bias@Linear""",
    # google-deepmind/penzai: a normalisation is a sequence with a Linear layer of one axis
    "Penzai": """
        norm 1 body/sublayers/0/pre_attention_norm/sublayers/1/weights@Linear
        weight 3 body/sublayers/0/attention/query/weights@Linear
        bias 1 body/sublayers/0/affine/sublayers/1/bias@AddBias
        embedding 2 embedder/table/embeddings@EmbeddingTable""",
}

TORCH = {  # names as in state dictionaries: one key with dots
    "timm and torchvision": """
        token 3 cls_token
        position 3 pos_embed
        weight 4 patch_embed.proj.weight conv1.weight
        bias 1 patch_embed.proj.bias blocks.0.attn.qkv.bias norm.bias
        norm 1 norm.weight blocks.0.norm1.weight blocks.0.attn.q_norm.weight bn1.weight
        norm 1 layer1.0.downsample.1.weight
        weight 4 layer1.0.downsample.0.weight
        scale 1 blocks.0.ls1.gamma blocks.0.gamma_1 act.weight
        weight 2 blocks.0.attn.qkv.weight blocks.0.mlp.fc1.weight head.weight
        position 2 layers.0.blocks.0.attn.relative_position_bias_table
        scale 3 layers.0.blocks.0.attn.logit_scale
        weight 2 layers.0.blocks.0.attn.cpb_mlp.0.weight""",
    "ConvNeXt V2": """
        weight 4 stages.0.0.dwconv.weight
        norm 1 stages.0.0.norm.weight
        weight 2 stages.0.0.pwconv1.weight
        scale 4 stages.0.0.grn.gamma
        bias 4 stages.0.0.grn.beta""",
    "PyTorch language models": """
        embedding 2 model.embed_tokens.weight
        norm 1 model.layers.0.input_layernorm.weight model.norm.weight
        weight 2 model.layers.0.self_attn.q_proj.weight lm_head.weight
        lora 2 model.layers.0.self_attn.q_proj.lora_{A,B}.default.weight
        state 2 backbone.layers.0.mixer.A_log
        state 1 backbone.layers.0.mixer.D rwkv.blocks.0.att.time_decay
        weight 3 backbone.layers.0.mixer.conv1d.weight
        state 3 rwkv.blocks.0.att.time_mix_k
        norm 1 backbone.layers.0.norm.weight rwkv.blocks.0.ln1.weight""",
    "PyTorch layers": """
        scale 3 conv.weight_g
        weight 3 conv.weight_v
        scale 3 conv.parametrizations.weight.original0
        weight 3 conv.parametrizations.weight.original1
        weight 2 attn.in_proj_weight lstm.weight_ih_l0
        bias 1 attn.in_proj_bias lstm.bias_ih_l0""",
}
