"""Names, ranks and roles of parameters of public models: one block of each kind of layer.

Facts, read in the layers' sources: a role says what the layer does with a parameter, whatever its
name. ``weight``: multiplied with inputs and summed over them; ``lora``: a low-rank factor of such
a weight; ``embedding``; ``position`` (tables of absolute positions, and of relative biases);
``token`` (a learned row: class, mask, query, constant input); ``bias``: added; ``norm``: scale of a
normalisation; ``scale``: gain, gate, temperature, magnitude of a weight norm; ``state``:
recurrences, time steps, mixing rates, standard deviations, clip bounds.

An entry reads ``role rank names``; a semicolon or a new line ends it. ``2+1`` is rank 2 stacked
along one axis more by a scan or vmap; braces expand as in a shell; ``name@Class`` names the class
that holds it where the tree keeps classes. Segments that a whole model has in common are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

DECAYED = ("weight", "lora", "embedding", "position", "token")
EXCLUDED = ("bias", "norm", "scale", "state")


class Row(NamedTuple):
    """One parameter: its leaf name, rank with the stacked axes, role, class of its owner."""

    name: str
    rank: int
    role: str
    owner: str | None


def rows(table: str) -> list[Row]:
    """The parameters of a table, in its order."""
    return [row for entry in re.split(r"[;\n]\s*", table.strip()) for row in _entry(entry)]


def _entry(entry: str) -> Iterator[Row]:
    role, rank, *patterns = entry.split()
    for name in (name for pattern in patterns for name in expanded(pattern)):
        leaf, _, owner = name.partition("@")
        yield Row(leaf, sum(map(int, rank.split("+"))), role, owner or None)


def expanded(pattern: str) -> list[str]:
    brace = re.search(r"\{([^{}]*)\}", pattern)
    if not brace:
        return [pattern]
    head, tail = pattern[: brace.start()], pattern[brace.end() :]
    return [n for choice in brace[1].split(",") for n in expanded(head + choice + tail)]


def tree(table: list[Row]) -> dict[str, Any]:
    """Nested dictionaries of arrays with these names and ranks, without the owners."""
    nested: dict[str, Any] = {}
    for row in table:
        *path, last = row.name.split("/")
        node = nested
        for segment in path:
            node = node.setdefault(segment, {})
        node[last] = jax.ShapeDtypeStruct((2,) * row.rank, jnp.float32)
    return nested


MODELS = {
    # Linen: nested dictionaries, no owners
    "google-research/big_vision: ViT": """
        weight 4 embedding/kernel; weight 2+1 encoderblock/MlpBlock_0/Dense_0/kernel
        weight 3 encoderblock_0/MultiHeadDotProductAttention_0/{query,out}/kernel
        weight 2 encoderblock_0/MlpBlock_0/Dense_{0,1}/kernel pre_logits/kernel head/kernel
        position 3 pos_embedding; token 3 MAPHead_0/probe cls
        bias 2+1 encoderblock/MultiHeadDotProductAttention_0/query/bias
        bias 1 encoderblock_0/LayerNorm_{0,1}/bias encoder_norm/bias embedding/bias head/bias
        bias 2 encoderblock_0/MultiHeadDotProductAttention_0/{query,key}/bias
        bias 1+1 encoderblock/MlpBlock_0/Dense_0/bias encoderblock/LayerNorm_0/bias
        norm 1 encoderblock_0/LayerNorm_{0,1}/scale encoder_norm/scale
        norm 1+1 encoderblock/LayerNorm_0/scale""",
    "google-research/big_vision: MLP-Mixer, BiT, SigLIP": """
        weight 4 unit01/{conv1,conv_proj}/kernel root_block/conv_root/kernel stem/kernel; scale 1 t
        weight 2 MixerBlock_0/{token,channel}_mixing/Dense_0/kernel
        bias 1 MixerBlock_0/LayerNorm_{0,1}/bias pre_head_layer_norm/bias stem/bias b
        bias 4 unit01/gn{1,2,3}/bias norm-pre-head/bias
        norm 1 MixerBlock_0/LayerNorm_{0,1}/scale pre_head_layer_norm/scale
        norm 4 unit01/gn{1,2,3}/scale norm-pre-head/scale""",
    "google-research/scenic: ViT, vitdet, BERT, CLIP": """
        weight 2 MlpBlock_0/Dense_0/kernel blocks.0/attn/qkv/kernel output_projection/kernel
        lora 2 text_head/q/kernel_{left,right}_lora; position 3 posembed_input/pos_embedding
        position 2 blocks.0/attn/rel_pos_{h,w} row_pos_embedding; token 3 tokens cls
        token 1 clip/class_embedding; bias 2 embedding_bias; scale 0 clip/logit_scale
        bias 1 blocks.0/attn/{q,v}_bias output_projection/bias residual/b_g
        scale 1 residual/rezero_alpha blocks.0/gamma_{1,2} head/Scale_0/scale affine/scale""",
    "google-research/t5x: T5, scanned and not": """
        weight 2 layers_0/attention/{query,key,value,out}/kernel layers_0/mlp/{wi_0,wi_1,wo}/kernel
        weight 2 logits_dense/kernel; weight 3+1 layers/self_attention/{query,key,value,out}/kernel
        weight 2+1 layers/mlp/wi_0/kernel; embedding 2 token_embedder/embedding
        position 2 relpos_bias/rel_embedding; norm 1+1 layers/pre_self_attention_layer_norm/scale
        norm 1 layers_0/pre_{attention,mlp}_layer_norm/scale encoder_norm/scale""",
    "google/flaxformer: MoE and dual encoder": """
        weight 2 router/router_weights/w/kernel mlp/wi_fused/kernel; weight 2+1 expert/mlp/wi/kernel
        position 2 position_embedder/pos_embedding relpos_bias/rel_embedding
        bias 1 logit_scaling_and_bias/learnable_bias router/router_weights/w/bias
        norm 1 pre_attention_layer_norm/scale
        scale 1 logit_scaling_and_bias/learnable_weight logit_scaling/learnable_scalar""",
    "AI-Hypercomputer/maxtext: decoders stacked by scan": """
        weight 2 logits_dense/kernel hc_head/hc_fn; weight 3+1 layers/MoeBlock_0/{wi_0,wi_1,wo}
        weight 3+1 layers/self_attention/{query,key,value,out}/kernel; bias 1 hc_head/hc_base
        weight 2+1 layers/mlp/{wi_0,wi_1,wo}/kernel layers/mhc/{res,pre,post}_alpha
        weight 2+1 layers/MoeBlock_0/gate/kernel; embedding 2 token_embedder/embedding
        bias 2+1 layers/MoeBlock_0/{wi_0_bias,wi_1_bias,wo_bias} layers/mhc/res_beta
        bias 2+1 layers/self_attention/{query,key,value}/bias; norm 1 decoder_norm/scale
        bias 1+1 layers/MoeBlock_0/gate/bias layers/mhc/{pre,post}_beta; scale 1 hc_head/hc_scale
        norm 1+1 layers/self_attention/{query_norm,key_norm,q_norm,kv_norm}/scale
        norm 1+1 layers/{pre,post}_self_attention_layer_norm/scale layers/pre_ffw_norm_local/scale
        scale 1+1 layers/mhc/{res,pre,post}_alpha_scale layers/MoeBlock_0/per_expert_scale
        scale 1+1 layers/layer_scalar
        state 1+1 layers/attention/{A_log,dt_bias} layers/self_attention/sinks""",
    "google-deepmind/gemma: Gemma 2, 3, 3n, 4, LoRA": """
        weight 2 layer_0/altup/{correction_coefs,modality_router/w} embedder/mm_input_projection/w
        weight 2 layer_0/mlp/router_logits/w layer_0/mlp/linear vision/proj/w head/kernel
        weight 3 layer_0/attn/{q_einsum,attn_vec_einsum}/w layer_0/altup/prediction_coefs
        weight 3 layer_0/mlp/gating_einsum; weight 4 layer_0/attn/{kv_einsum,qkv_einsum}/w
        lora 2 head/lora/{a,b}; lora 3 layer_0/attn/q_einsum/lora/{a,b}
        embedding 2 embedder/per_layer_input_embedding embedder/input_embedding
        position 3 vision/pos_emb_param; scale 1 audio/attn/per_dim_scale layer_0/skip_scale
        norm 1 layer_0/{pre_attention,post_ffw}_norm/scale embedder/mm_soft_embedding_norm/scale
        norm 1 layer_0/attn/_{query,key}_norm/scale final_norm/scale
        scale 1 layer_0/mlp/{per_expert_scale,router_scale} layer_0/altup/correct_output_scale
        state 0 vision/proj/clip_{input,output}_{min,max}""",
    "Physical-Intelligence/openpi: LoRA, adaptive RMS norm, scanned": """
        weight 3+1 layers/mlp_1/gating_einsum layers/attn/q_einsum/w; norm 1 final_norm/scale
        weight 2+1 layers/pre_attention_norm_1/Dense_0/kernel layers/mlp_1/linear
        weight 2 final_norm_1/Dense_0/kernel; lora 2+1 layers/mlp_1/linear_lora_{a,b}
        bias 1+1 layers/pre_attention_norm_1/Dense_0/bias; norm 1+1 layers/pre_attention_norm/scale
        lora 3+1 layers/mlp_1/gating_einsum_lora_{a,b} layers/attn/q_einsum/lora_{a,b}""",
    "young-geng/EasyLM: Llama": """
        weight 2 h/0/attention/{wq,wk,wv,wo}/kernel h/0/feed_forward/{w1,w2,w3}/kernel
        weight 2 lm_head/kernel; embedding 2 wte/embedding
        norm 1 h/0/{attention_norm,ffn_norm}/kernel ln_f/kernel""",
    "nanodo, nanoGPT-jax, gpt-jax": """
        weight 3 blocks_0/CausalAttn_0/{query,key,value,attn_out_proj}/kernel
        weight 2 blocks_0/Mlp_0/Dense_0/kernel 0/attn/{c_attn,c_proj}/kernel 0/mlp/c_fc/kernel
        embedding 2 embed/embedding wte/embedding; position 2 pos_embed/embedding wpe/embedding
        bias 1 0/attn/{c_attn,c_proj}/bias 0/ln_{1,2}/bias 0/mlp/c_fc/bias ln_f/bias
        norm 1 blocks_0/LayerNorm_0/scale 0/ln_{1,2}/scale out_ln/scale ln_f/scale""",
    "apple/axlearn, google/praxis": """
        weight 4 self_attention/attention/i_proj/i_proj/qkv_proj/weight; state 1 attention/sink
        weight 2 softmax/logits_ffn/linear/w feed_forward/gate_weight ffn_layer1/linear/w
        weight 3 feed_forward/{wi_0_weight,wo_weight} self_atten/{query,key,value,post}/w
        embedding 2 softmax/embedding/emb_var; position 2 relative_bias/wrb pos_emb/emb_var
        bias 1 self_attention/norm/bias ffn_layer1/bias/b router/gate_bias layer_norm/bias bn/beta
        bias 2 relative_attention/{u,v}_bias self_atten/query/b
        norm 1 self_attention/norm/scale layer_norm/scale bn/gamma
        scale 1 self_atten/per_dim_scale/per_dim_scale attention/per_dim_scale/param
        scale 0 contrastive/log_scale residual_gate_theta""",
    "huggingface/transformers: Flax BERT, RoFormer, GPT-2, BART, OPT": """
        weight 2 layer/0/attention/self/{query,key,value}/kernel h/0/attn/{c_attn,c_proj}/kernel
        weight 2 pooler/dense/kernel h/0/mlp/c_fc/kernel; bias 2 final_logits_bias
        embedding 2 embeddings/{word,token_type}_embeddings/embedding wte/embedding
        position 2 embeddings/position_embeddings/embedding wpe/embedding
        bias 1 layer/0/attention/self/query/bias embeddings/LayerNorm/bias h/0/attn/c_attn/bias
        bias 1 predictions/bias ln_f/bias
        norm 1 layer/0/{attention/output,output}/LayerNorm/scale h/0/{ln_1,ln_2,ln_cross_attn}/scale
        norm 1 encoder/layernorm_embedding/scale embeddings/LayerNorm/scale ln_f/scale""",
    "huggingface/transformers: Flax T5, Llama, Mistral, Gemma": """
        weight 2 block/0/layer/1/DenseReluDense/{wi_0,wi_1,wo}/kernel layers/0/mlp/up_proj/kernel
        weight 2 block/0/layer/0/SelfAttention/{q,k,v,o}/kernel lm_head/kernel
        embedding 2 embed_tokens/embedding shared/embedding
        position 2 block/0/layer/0/SelfAttention/relative_attention_bias/embedding
        norm 1 layers/0/{input,post_attention}_layernorm/weight final_layer_norm/weight norm/weight
        norm 1 block/0/layer/{0,1}/layer_norm/weight""",
    "huggingface/transformers: Flax CLIP, Whisper": """
        weight 4 vision_model/embeddings/patch_embedding/kernel; weight 3 encoder/conv{1,2}/kernel
        weight 2 layers/0/{self_attn/q_proj,fc1}/kernel {visual,text}_projection/kernel
        position 2 text_model/embeddings/position_embedding/embedding embed_positions/embedding
        token 1 vision_model/embeddings/class_embedding; scale 0 logit_scale
        bias 1 {pre_layrnorm,post_layernorm,layer_norm1,final_layer_norm}/bias conv1/bias
        norm 1 {pre_layrnorm,post_layernorm,layer_norm1,final_layer_norm}/scale""",
    "huggingface/transformers: Flax BEiT, DINOv2, wav2vec2": """
        weight 3 pos_conv_embed/conv/weight_v; embedding 3 quantizer/codevectors
        position 3 embeddings/position_embeddings; token 3 embeddings/{cls_token,mask_token}
        position 2 beit/layer/0/attention/relative_position_bias/relative_position_bias_table
        token 1 masked_spec_embed; bias 1 pos_conv_embed/conv/bias
        norm 1 beit/layer/0/layernorm_before/scale layer/0/norm{1,2}/scale
        scale 1 layer/0/layer_scale{1,2}/lambda1 beit/layer/0/lambda_{1,2}
        scale 3 pos_conv_embed/conv/weight_g""",
    "huggingface/diffusers: Flax UNet": """
        weight 4 resnets_0/{conv1,conv2,conv_shortcut}/kernel conv_in/kernel
        weight 2 attentions_0/transformer_blocks_0/attn1/{to_q,to_k,to_v,to_out_0}/kernel
        weight 2 resnets_0/time_emb_proj/kernel
        bias 1 resnets_0/norm{1,2}/bias conv_norm_out/bias conv_in/bias
        norm 1 resnets_0/norm{1,2}/scale conv_norm_out/scale""",
    "mamba-minimal-jax, NX-AI/xlstm-jax": """
        weight 3 layers_0/mixer/conv1d/kernel xlstm/q_proj/kernel; embedding 2 embedding/embedding
        weight 2 layers_0/mixer/{in_proj,x_proj,dt_proj,out_proj}/kernel cell/{igate,fgate}/kernel
        bias 1 layers_0/mixer/{dt_proj,conv1d}/bias cell/{igate,fgate}/bias
        norm 1 cell/{outnorm,q_norm}/scale layers_0/norm/weight xlstm_norm/scale norm_f/weight
        scale 1 xlstm/learnable_skip; state 2 layers_0/mixer/A_log; state 1 layers_0/mixer/D""",
    "S5, minimal-LRU, annotated-s4 (S4, S4D; a copy a feature)": """
        weight 2 lru/seq/{B_re,B_im,C_re,C_im} s5/out{1,2}/kernel encoder/kernel
        weight 1+1 s4d/seq/{B_re,B_im} s4/seq/B; weight 3 s5/seq/{B,C,C1,C2}
        weight 2+1 s4d/seq/C s4/seq/C; bias 1 lru/normalization/bias s5/norm/bias
        norm 1 lru/normalization/scale s5/norm/scale; state 2 s5/seq/log_step
        state 1 lru/seq/{nu_log,theta_log,gamma_log,D} s5/seq/{Lambda_re,Lambda_im,D}
        state 1+1 s4/seq/{Lambda_re,Lambda_im,P,D,log_step} s4d/seq/{A_re,A_im,log_step,D}""",
    # its bias is a diagonal that multiplies the signal
    "irhum/hyena: implicit filters by a SIREN": """
        weight 2 Siren_0/Dense_{0,1}/kernel {in_proj,out_proj}/kernel; scale 4 bias
        weight 3 Siren_0/DenseGeneral_0/kernel short_filter/kernel
        bias 1 {in_proj,out_proj,short_filter}/bias Siren_0/Dense_{0,1}/bias""",
    "google-deepmind/recurrentgemma": """
        weight 2 recurrent_block/linear_{x,y,out}/kernel recurrent_block/conv_1d/w
        weight 3 recurrent_block/rg_lru/{a_gate,input_gate}/w mlp_block/ffw_up/w
        bias 4 mlp_block/ffw_up/b; norm 1 {temporal,channel}_pre_norm/scale final_norm/scale
        bias 1 recurrent_block/linear_{x,y,out}/bias recurrent_block/conv_1d/b
        state 1 recurrent_block/rg_lru/{a_param,a_imag_param}""",
    "google/brax, ikostrikov/jaxrl, google-deepmind/acme": """
        weight 2 policy/hidden_{0,1}/kernel actor/MLP_0/Dense_0/kernel value/hidden_0/kernel
        bias 1 policy/hidden_{0,1}/bias actor/MLP_0/Dense_0/bias value/hidden_0/bias
        state 1 dual/log_{penalty_,}temperature policy/std_logparam/log_value policy/std_param/value
        state 1 dual/log_alpha_{mean,stddev} actor/log_stds actor/log_std
        state 0 temperature/log_temp log_alpha""",
    "DarshanDeshpande/jax-models: ConvNeXt, CaiT, VAN, Swin": """
        weight 2 pwconv{1,2}/kernel cait/qkv/kernel; position 2 swin/relative_position_bias_table
        position 3 abs_pos_emb pos_embed; token 3 mask_token cls_token; scale 3 PReLU_0/alpha
        bias 1 van/norm1/bias pwconv1/bias norm/bias; norm 1 van/norm1/scale norm/scale
        scale 1 van/layer_scale_{1,2} cait/gamma_{1,2} gamma""",
    "flaxmodels StyleGAN2, efficientnet-jax, jaxnerf, efficient-kan-jax": """
        weight 4 blocks_0/se/{reduce,expand}/kernel blocks_0/conv_{dw,pw}/kernel block/layer/weight
        weight 4 conv_stem/kernel; weight 3 kan/spline_weight; token 4 synthesis_network/const
        weight 2 mapping_network/fc0/weight MLP_0/Dense_0/kernel kan/base_weight; state 2 kan/grid
        bias 1 blocks_0/se/{reduce,expand}/bias mapping_network/fc0/bias blocks_0/bn_{dw,pw}/bias
        bias 1 MLP_0/Dense_0/bias block/layer/bias; norm 1 blocks_0/bn_{dw,pw}/scale bn1/scale
        scale 0 block/layer/noise_strength; scale 2 kan/spline_scaler""",
    "danijar/dreamerv3: flat names": """
        weight 2 dyn/dynin0/kernel; weight 3 dyn/dyngru/kernel; embedding 2 enc/embed/table
        token 1 dec/init; bias 1 dyn/dynin0norm/shift dyn/dynin0/bias dyn/dyngru/bias
        norm 1 dyn/dynin0norm/scale enc/normq/scale""",
    "google/flax: Linen layers": """
        weight 2 LSTMCell_0/{ii,hf}/kernel Dense_0/kernel; bias 1 LSTMCell_0/hf/bias Dense_0/bias
        weight 3 attention/query/kernel ConvLocal_0/kernel Einsum_0/kernel
        bias 2 attention/query/bias ConvLocal_0/bias Einsum_0/bias; scale 0 PReLU_0/negative_slope
        norm 1 attention/{query,key}_ln/scale BatchNorm_0/scale GroupNorm_0/scale
        scale 1 WeightNorm_0/Dense_0/kernel/scale""",
    # Haiku: module names with /~/
    "google-deepmind/alphafold: evoformer stacked": """
        weight 3+1 msa_row_attention_with_pair_bias/attention/{query,key,value}_w
        weight 3+1 msa_row_attention_with_pair_bias/attention/{gating,output}_w
        weight 2+1 triangle_multiplication/{left_gate,left_projection}/weights
        weight 2+1 msa_row_attention_with_pair_bias/feat_2d_weights
        bias 1+1 msa_row_attention_with_pair_bias/attention/output_b
        bias 1+1 triangle_multiplication/left_projection/bias triangle_multiplication/left_gate/bias
        bias 2+1 msa_row_attention_with_pair_bias/attention/gating_b
        norm 1+1 msa_row_attention_with_pair_bias/{query,feat_2d}_norm/scale
        norm 1+1 triangle_multiplication/{left_norm_input,center_norm}/scale
        norm 1 structure_module/single_layer_norm/scale evoformer/prev_pair_norm/scale
        scale 1 invariant_point_attention/trainable_point_weights""",
    "google-deepmind/graphcast: GraphCast, GenCast": """
        weight 2 ~_networks_builder/processor_edges_mesh_norm_conditioning/linear/w
        weight 2 ~_networks_builder/encoder_edges_grid2mesh_mlp/~/linear_0/w
        weight 2 split_output_linear/w_2m_temperature; weight 2+1 stacked_linear/w
        bias 1 ~_networks_builder/encoder_edges_grid2mesh_mlp/~/linear_0/b
        bias 1 split_output_linear/b_2m_temperature; bias 1+1 stacked_linear/b
        norm 1 ~_networks_builder/encoder_edges_grid2mesh_layer_norm/scale""",
    "google-deepmind/deepmind-research: NFNet, BYOL, Perceiver, WikiGraphs": """
        weight 4 NFNet/~/nf_block/~/conv0/w NFNet/~/stem_conv1/w initial_conv/w
        weight 2 perceiver/attention/linear{,_1,_2}/w predictor/linear/w NFNet/~/linear/w
        position 2 trainable_position_encoding/pos_embs; bias 0 fixup/bias{1a,1b,2a}
        bias 1 perceiver/layer_norm{,_1,_2}/offset perceiver/attention/linear/b NFNet/~/linear/b
        bias 1 NFNet/~/stem_conv1/bias embedding_decoder/bias; bias 2 predictor/batch_norm/offset
        bias 4 transformer_xl/r_{w,r}_bias initial_batchnorm/offset; norm 4 initial_batchnorm/scale
        norm 1 perceiver/layer_norm{,_1,_2}/scale; norm 2 predictor/batch_norm/scale
        scale 1 NFNet/~/nf_block/~/conv0/gain NFNet/~/stem_conv1/gain
        scale 0 NFNet/~/nf_block/skip_gain fixup/scale""",
    "xai-org/grok-1, mesh-transformer-jax, Haiku layers": """
        weight 2 decoder_layer_0/multi_head_attention/{query,key,value,linear}/w mlp/~/linear_0/w
        weight 2 decoder_layer_0/router/w gru/{w_i,w_h}; bias 3 bias/b; bias 1 gru/b
        weight 2+1 decoder_layer_0/moe/linear{,_v,_1}/w
        weight 4 conv2_d_transpose/w depthwise_conv2_d/w
        embedding 2 language_model/in_out_embed/embeddings
        position 2 relative_position/rel_embedding projection/pos_embs
        bias 1 replicated_layer_norm/offset depthwise_conv2_d/b conv2_d_transpose/b mlp/~/linear_0/b
        norm 1 decoder_layer_0/rms_norm{,_1,_2,_3}/scale replicated_layer_norm/scale""",
    # NNX: attributes, with owners
    "google/tunix: Llama, Qwen, Gemma; low-rank factors of google/qwix": """
        weight 3 layers/1/mlp/{gate,up,down}_proj@MoELayer layers/0/attn/attn_vec_einsum/w@Einsum
        weight 3 layers/0/attn/{q,k,v,o}_proj/w@Einsum; bias 1 layers/0/attn/{q,k,v}_bias@Attention
        weight 4 layers/0/attn/{qkv_einsum,kv_einsum}/w@Einsum layers/1/moe/gating_einsum@MoERagged
        weight 2 layers/0/mlp/{gate,up,down}_proj/kernel@Linear layers/1/moe/router_logits@MoERagged
        weight 2 layers/1/mlp/router/kernel@Linear audio/ffw/kernel@ClippedLinear lm_head/w@Einsum
        lora 2 layers/0/mlp/up_proj/kernel_lora_{a,b}@Linear
        lora 2 layers/0/attn/q_proj/w_lora_{a,b}@Einsum
        embedding 2 embedder/input_embedding@Embedder
        norm 1 layers/0/{input,post_attention}_layernorm/w@RMSNorm pre_ffw_norm/scale@RMSNorm
        norm 1 layers/0/attn/{q_norm,k_norm}/w@RMSNorm final_norm/w@RMSNorm
        scale 1 layers/1/moe/{per_expert_scale,router_scale}@MoERagged skip_scale@DecoderLayer
        state 0 audio/ffw/clip_{input,output}_{min,max}@ClippedLinear""",
    "erfanzar/EasyDeL: Llama, Qwen3-Next, Kimi, GPT-OSS, Gemma 4, Cohere": """
        weight 2 layers/0/self_attn/{q,k,v}_proj/kernel@ColumnParallelLinear
        weight 2 layers/1/mlp/gate/kernel@KimiMoEGate; embedding 2 embed_tokens/embedding@Embed
        weight 3 layers/0/mlp/experts/up_proj/kernel@ColumnParallelMoELinear
        position 2 embed_positions/kernel@OPTLearnedPositionalEmbedding
        bias 1 layers/1/mlp/gate/e_score_correction_bias@KimiMoEGate
        norm 1 layers/0/self_attn/{q_norm,k_norm}/kernel@Qwen3NextRMSNorm norm/kernel@KimiRMSNorm
        norm 1 layers/0/{input,post_attention}_layernorm/kernel@RMSNorm
        norm 1 layers/0/linear_attn/norm/kernel@RMSNormGated
        norm 2 layers/1/self_attn/{q_norm,k_norm}/kernel@RMSNorm
        scale 1 layers/1/layer_scalar@Gemma4TextDecoderLayer
        state 1 layers/0/linear_attn/{A_log,dt_bias}@Qwen3NextLinearAttention
        state 1 layers/1/self_attn/sinks@GptOssAttention""",
    "erfanzar/EasyDeL: Mamba, RWKV, CLIP, SigLIP": """
        weight 3 layers/0/mixer/conv1d/kernel@MambaConv1D; scale 0 logit_scale@CLIPModel
        weight 2 layers/0/mixer/{in,x,dt,out}_proj/kernel@ColumnParallelLinear
        weight 2 blocks/0/attention/{key,value}/kernel@ColumnParallelLinear
        weight 2 head/attention/in_proj_weight@MultiheadAttention
        token 1 vision_model/embeddings/class_embedding@CLIPVisionEmbeddings
        bias 1 layers/0/mixer/dt_proj/bias@ColumnParallelLinear logit_bias@SiglipModel
        bias 1 head/attention/in_proj_bias@MultiheadAttention layers/0/mixer/conv1d/bias@MambaConv1D
        bias 1 blocks/0/{pre_ln,ln1,ln2}/bias@LayerNorm; state 2 layers/0/mixer/A_log@MambaMixer
        norm 1 layers/1/mixer/norm/kernel@MambaRMSNormGated layers/0/norm/kernel@RMSNorm
        norm 1 blocks/0/{pre_ln,ln1,ln2}/scale@LayerNorm
        state 1 blocks/0/attention/{time_decay,time_first}@RwkvSelfAttention
        state 1 layers/1/mixer/{A_log,D,dt_bias}@Mamba2Mixer layers/0/mixer/D@MambaMixer
        state 3 blocks/0/attention/time_mix_{key,value}@RwkvSelfAttention""",
    "srigas/jaxKAN, google/flax: NNX layers": """
        weight 3 attention/query/kernel@LinearGeneral layers/0/c_basis@ChebyshevLayer
        weight 2 weight_norm/layer_instance/kernel@Linear layers/0/{c_res,c_ext}@ChebyshevLayer
        weight 2 lora_linear/kernel@LoRALinear act/{beta,Lambda}@ActLayer linear/kernel@Linear
        weight 2 dense/v@DenseLayer; lora 2 lora_linear/lora/lora_{a,b}@LoRA
        bias 2 attention/query/bias@LinearGeneral sine/phase@SineLayer; scale 2 sine/omega@SineLayer
        bias 1 layers/0/bias@ChebyshevLayer dense/b@DenseLayer linear/bias@Linear
        scale 1 weight_norm/scales/kernel dense/g@DenseLayer
        scale 0 blocks/0/{alpha,beta}@RGABlock prelu/negative_slope@PReLU""",
    # Equinox and other dataclasses: attributes, with owners
    "stanford-crfm/levanter on haliax: Llama, Mixtral, GPT-2, LoRA, Hyena": """
        weight 4+1 layers/stacked/self_attn/q_proj/weight@Linear
        weight 3+1 layers/stacked/block_sparse_moe/experts/{w1,w2,w3}/weight@MoELinear
        weight 3+1 layers/stacked/self_attn/{k,v,o}_proj/weight@Linear
        weight 2+1 layers/stacked/{mlp/up_proj,block_sparse_moe/gate}/weight@Linear
        lora 2 q_proj/lora/{lora_A,lora_B}/weight@Linear
        embedding 2 embeddings/token_embeddings/weight@Embedding
        position 2 embeddings/position_embeddings/weight@Embedding
        bias 3+1 layers/stacked/self_attn/q_proj/bias@Linear blocks/stacked/attn/c_attn/bias@Linear
        bias 1+1 blocks/stacked/ln_{1,2}/bias@LayerNorm
        norm 1+1 layers/stacked/{input,post_attention}_layernorm/weight@RmsNorm
        norm 1+1 layers/stacked/pre_feedforward_layernorm/weight@GemmaRMSNorm
        norm 1+1 layers/stacked/self_attn/{q,k}_norm/weight@RmsNorm
        norm 1 ln_f/weight@LayerNorm norm/weight@RmsNorm
        scale 1 filter_fn/implicit_filter/activation/freq@Sin filter_fn/bias@HyenaFilter""",
    "jax-ml/jax-llm-examples: Llama 3, GPT-OSS, DeepSeek": """
        weight 2 layers/0/{w_gate,w_up,w_down}@Layer layers/1/attn/kv_a@AttentionLayer
        weight 2 layers/1/mlp/w_router@MoELayer lm_head@Weights; embedding 2 embedding@Weights
        weight 3 layers/1/mlp/{we_gate,we_up,we_down}@MoELayer layers/0/{q,k,v,o}@Layer
        lora 3 layers/1/attn/{q_b,k_b,v_b}@AttentionLayer; lora 2 layers/1/attn/q_a@AttentionLayer
        bias 1 layers/2/mlp/w_router_bias@MoELayer layers/1/mlp/b_router@MoELayer
        bias 2 layers/2/attn/{q,k,v}_bias@AttentionLayer layers/2/mlp/we_down_bias@MoELayer
        norm 1 layers/1/attn/{q_gamma,kv_gamma}@AttentionLayer layers/0/attn_{pre,post}_gamma@Layer
        norm 1 layers/1/gamma_pre_attn@Layer gamma_final@Weights
        scale 1 layers/3/w_gate/scale@QuantArray; state 1 layers/2/attn/sinks@AttentionLayer""",
    "vvvm23/mamba-jax, clementpoiret/Equimo": """
        weight 2 layers/0/mixer/{in_proj,x_proj,dt_proj,out_proj}/weight@Linear
        weight 2 head/last/weight_v@WeightNormLinear; weight 3 layers/0/mixer/conv1d/weight@Conv1d
        position 2 global_pos_embed/weight@LearnedPosEmbed; bias 2 layers/0/mixer/conv1d/bias@Conv1d
        token 2 {cls_token,reg_tokens,mask_token}@VisionTransformer; bias 1 blocks/0/norm1/bias@DyT
        norm 1 blocks/2/mixer/norm/w@RMSNormGated blocks/1/norm1/weight@LayerNorm2d
        norm 1 layers/0/norm/weight@RMSNorm blocks/0/norm1/weight@DyT
        scale 2 head/last/weight_g@WeightNormLinear; state 2 layers/0/mixer/A_log@MambaBlock
        scale 1 blocks/0/ls1/gamma@LayerScale blocks/0/norm1/alpha@DyT
        state 1 blocks/2/mixer/{A_log,D,dt_bias}@Mamba2Mixer layers/0/mixer/D@MambaBlock""",
    "paganpasta/eqxvision, Equinox layers": """
        weight 4 stem/weight@Conv2d; position 2 vit/pos_embed@VisionTransformer
        weight 2 weight_norm/layer/weight@Linear gru/weight_{ih,hh}@GRUCell; bias 3 stem/bias@Conv2d
        position 2 swin/attn/relative_position_bias_table@_ShiftedWindowAttention
        bias 1 gru/bias_n@GRUCell gru/bias@GRUCell; norm 1 vit/blocks/0/norm1/weight@LayerNorm
        scale 3 swin/attn/logit_scale@_ShiftedWindowAttentionV2 features/0/layer_scale@_CNBlock
        scale 2 weight_norm/g@WeightNorm; scale 0 prelu/negative_slope@PReLU""",
    # a normalisation is a sequence with a Linear layer without inputs; labels hold the given names
    "google-deepmind/penzai: frozen parameters in the tree, and by label": """
        weight 2 body/sublayers/2/sublayers/0/weights@Linear head/Linear.weights
        embedding 2 embedder/table/embeddings@EmbeddingTable embedder.embeddings
        bias 1 body/sublayers/1/sublayers/2/bias@AddBias pre_ffw_norm/shift.bias head/AddBias.bias
        norm 1 body/sublayers/0/sublayers/1/weights@Linear pre_ffw_norm/scale.weights
        scale 0 body/sublayers/0/sublayers/0/epsilon@RMSStandardize""",
    # PyTorch state dictionaries: one key with dots
    "pytorch-image-models, torchvision, ConvNeXt-V2": """
        weight 2 blocks.0.attn.qkv.weight attn.cpb_mlp.0.weight; position 3 pos_embed
        weight 4 layer1.0.downsample.0.weight patch_embed.proj.weight dwconv.weight conv1.weight
        position 2 attn.relative_position_bias_table; token 3 cls_token reg_token
        bias 1 blocks.0.attn.qkv.bias patch_embed.proj.bias stages.0.grn.bias norm.bias
        bias 4 stages.1.grn.beta; norm 1 norm.weight bn1.weight; scale 3 attn.logit_scale
        norm 1 layer1.0.downsample.1.weight blocks.0.attn.q_norm.weight blocks.0.norm1.weight
        scale 4 stages.1.grn.gamma std_conv.gain
        scale 1 stages.0.grn.weight blocks.0.ls1.gamma blocks.0.gamma_1 act.weight""",
    "PyTorch: Llama, PEFT, Mamba, RWKV, layers": """
        weight 2 layers.0.self_attn.q_proj.weight lstm.weight_ih_l0 lm_head.weight
        weight 3 conv2.parametrizations.weight.original1 layers.0.mixer.conv1d.weight conv.weight_v
        lora 2 layers.0.self_attn.q_proj.lora_{A,B}.default.weight; bias 3 layers.0.mixer.{B,C}_bias
        lora 2 blocks.0.att.time_{decay_w1,decay_w2,maa_w1}; embedding 2 model.embed_tokens.weight
        bias 1 lstm.bias_ih_l0; norm 1 layers.0.input_layernorm.weight model.norm.weight
        scale 3 conv2.parametrizations.weight.original0 conv.weight_g
        scale 2 layers.0.mlp.down_proj.ia3_l.default; state 3 blocks.0.att.time_{mix_k,maa_x}
        scale 1 layers.0.self_attn.q_proj.lora_magnitude_vector.default.weight
        state 2 blocks.1.att.{time_faaaa,time_decay} layers.0.mixer.A_log
        state 1 blocks.0.att.time_decay layers.0.mixer.D""",
    "plain dictionaries of tutorials": """
        weight 2 layer3/weights mlp/0/weights net/weights/0 layer1/W layer2/w net/Ws/0 theta/W w1 W2
        weight 1 regression/weights linear/w coef; bias 0 regression/bias intercept linear/b
        bias 1 layer3/biases mlp/0/biases net/biases/0 layer1/b layer2/b net/bs/0 theta/B b1 b2""",
}

# Names of one kind that mean another: modules called after what they predict or feed, plain arrays
# of unusual rank. Written for this table, but for the first line: AlphaFold, DiT, SAC, diffusers.
TRAPS = """
weight 2 unnormalized_angles/weights adaLN_modulation.1.weight log_std/kernel norm1.linear.weight
weight 2 normal_head/kernel lnear/kernel learner/ln_proj/w {patch_norm,norm}_proj/kernel abnormal/w
weight 2 norm_head/kernel final_layer_norm_dense/kernel {beta,scale,bias}_net/kernel
weight 2 gate/kernel temporal/kernel D/kernel A_log_net/w t/kernel beta/kernel g/w alpha/kernel
weight 2 temperature_head/kernel logit_scale_mlp/kernel clip_proj/kernel matrix/A
weight 2 scale_shift/kernel film_gamma/kernel; weight 4 {gn,bn}_conv/kernel conv_bn_relu/conv/w
weight 1 logistic/kernel probe/w; lora 2 adapter/{A,B} adapter/{lora_down,lora_up}/kernel
position 2 relative_attention_bias/embedding; bias 2 heads/bias local/b; bias 3 local_conv/bias
bias 1 normal_head/bias norm_proj/bias scale_net/bias log_std/bias g/b matrix/b
norm 1+1 stacked/{attention_norm,ln_f,input_layernorm}/kernel stacked/q_norm/weight
norm 2 per_head/{q_norm,k_norm}/scale
"""

# What masks of these projects do by default with that which the field treats in both ways.
CONTESTED = {
    "embedding": """decayed: nanoGPT, mesh-transformer-jax (rank >= 2), Scenic (rank != 1),
        transformers (decay_mask_fn: all but bias and layer norm), MaxText (adamw_mask: []), EasyLM,
        nanodo, Flax lm1b, wmt, gemma (no mask); not: Levanter (class Embedding), nanoGPT-jax,
        gpt-jax, minGPT, big_vision, DreamerV3, xLSTM (kernel alone), MaxText's distillation""",
    "position": """decayed: nanoGPT, Scenic, transformers, nanodo; not: big_vision, Perceiver
        (pos_embs, b, norms), timm and Equimo (pos_embed), Levanter (class Embedding)""",
    "relative bias": """decayed: transformers' T5 (relative_attention_bias/embedding), Scenic;
        not: timm's Swin (relative_position_bias_table)""",
    "token": """decayed: transformers, Scenic (rank 3); not: big_vision, timm (cls_token, reg_token,
        dist_token), Equimo (class, register, mask, distillation)""",
    "layer scale": """decayed: transformers (lambda_1, lambda1); not: timm (rank <= 1), ConvNeXt-V2
        (.gamma, .beta), axlearn (residual_gate_theta), NFNet (gain), big_vision, Scenic""",
    "router": """decayed as any kernel: MaxText, Levanter; its bias as any bias""",
    "state space": """not: Mamba (A_log, D, dt_bias: _no_weight_decay), S5 and LRU (eigenvalues,
        steps, B; decayed: C, D), S4 (Lambda, P, B, log_step; decayed: C, D)""",
    "norm and bias": """decayed, for want of a mask: EasyLM, MaxText, nanodo, axlearn's GPT, openpi,
        Flax lm1b, wmt, gemma; by rules of rank (nanoGPT, Scenic): if stacked or by head""",
}

# Leaves of the table that the rule takes for what they are not, and why it must.
EXCEPTIONS = {
    "logit_scaling_and_bias/learnable_weight": "Flaxformer: a gain called weight",
    "hc_head/hc_base": "MaxText: added, by a name of its own",
    "layers/mhc/{res,pre,post}_alpha": "MaxText: matrices, called alpha as slopes and gates are",
    "xlstm/learnable_skip": "xLSTM: a gain by a name of its own",
    "bias": "Hyena: multiplies the signal, called bias",
    "filter_fn/bias": "Hyena in Levanter: likewise",
    "kan/grid": "KAN: knots of splines; grids of features are weights",
    "invariant_point_attention/trainable_point_weights": "AlphaFold: a gain a head, called weights",
    "act/{beta,Lambda}": "jaxKAN: matrices of coefficients, called as offsets and eigenvalues are",
    "blocks/0/beta": "jaxKAN: a gate called beta",
    "body/sublayers/0/sublayers/1/weights": "Penzai: a norm's scale is a Linear; its label says so",
    "layers.0.mlp.down_proj.ia3_l.default": "PEFT: a gain under a name for all adapters",
    # Left out of weights, being added: as timm's masks have it, and against transformers'.
    "beit/layer/0/attention/relative_position_bias/relative_position_bias_table": "a bias",
    "swin/relative_position_bias_table": "a bias",
    "swin/attn/relative_position_bias_table": "a bias",
    "attn.relative_position_bias_table": "a bias",
    # Of the state by their use, and biases by what is done with them.
    "layers/attention/dt_bias": "a bias",
    "layers/0/linear_attn/dt_bias": "a bias",
    "layers/1/mixer/dt_bias": "a bias",
    "blocks/2/mixer/dt_bias": "a bias",
}
